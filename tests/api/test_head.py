"""HEAD answers what GET would, without a body."""

import pytest
from starlette.testclient import TestClient


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/optimizers", "/"])
def test_head_is_get_without_a_body(client: TestClient, path: str) -> None:
    asked, answered = client.head(path), client.get(path)
    assert asked.status_code == answered.status_code == 200
    assert asked.headers["content-length"] == str(len(answered.content))
    assert asked.headers["content-type"] == answered.headers["content-type"]
    assert asked.content == b""


def test_what_is_not_there_is_not_there_for_head_either(client: TestClient) -> None:
    assert client.head("/api/v1/sweeps/none").status_code == 404
    assert client.head("/api/v1/sweeps/none/cancel").status_code == 405
