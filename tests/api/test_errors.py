"""One shape for everything that goes wrong."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from api.errors import KINDS, kind_of
from sweeper import errors
from sweeper.storage.store import Store

MEMBERS = ["type", "title", "status", "detail", "hint", "errors", "request_id"]

ASK: dict[str, Callable[[TestClient], object]] = {
    "unknown route": lambda c: c.get("/api/v1/nothing"),
    "unknown method": lambda c: c.put("/api/v1/sweeps", json={}),
    "unknown id": lambda c: c.get("/api/v1/sweeps/none"),
    "bad query": lambda c: c.get("/api/v1/sweeps?limit=-1"),
    "bad body": lambda c: c.post("/api/v1/sweeps", json={}),
    "broken json": lambda c: c.post(
        "/api/v1/sweeps", content="{", headers={"content-type": "application/json"}
    ),
    "no json": lambda c: c.post("/api/v1/sweeps", content="x"),
    "foreign host": lambda c: c.get("/", headers={"host": "evil.example"}),
    "foreign page": lambda c: c.post("/", headers={"origin": "http://evil.example"}),
    "too large": lambda c: c.post("/api/v1/sweeps", json={"name": "x" * 2**20}),
}


@pytest.mark.parametrize("name", ASK)
def test_every_error_has_the_same_members(client: TestClient, name: str) -> None:
    answer = ASK[name](client)
    problem = answer.json()  # type: ignore[attr-defined]
    assert list(problem) == MEMBERS
    assert problem["status"] == answer.status_code  # type: ignore[attr-defined]
    headers = answer.headers  # type: ignore[attr-defined]
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == problem["request_id"]
    assert problem["type"].startswith("urn:sweeper:problem:")
    assert problem["detail"]


def test_an_error_that_nobody_foresaw_says_so_and_no_more(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    app = client.app

    def broken() -> None:
        raise RuntimeError("secret of the house")

    app.add_api_route("/broken", broken)  # type: ignore[attr-defined]
    answer = client.get("/broken")
    assert answer.status_code == 500
    assert list(answer.json()) == MEMBERS
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"]
    assert answer.json()["request_id"] in caplog.text
    assert "secret of the house" in caplog.text


def test_a_closed_database_is_not_now(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise errors.Unavailable

    monkeypatch.setattr(store.sweeps, "get", refuse)
    answer = client.get("/api/v1/sweeps/any")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"


def test_every_error_of_the_domain_has_a_kind() -> None:
    children = errors.SweeperError.__subclasses__()
    assert errors.NotFound in children
    for child in children:
        if child.__module__ == "sweeper.errors" and child is not errors.Fenced:
            assert child in KINDS, child
    assert kind_of(errors.Fenced()).status == 500


def test_a_reader_of_pages_gets_a_page(client: TestClient) -> None:
    answer = client.get("/nowhere", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Not Found" in answer.text
