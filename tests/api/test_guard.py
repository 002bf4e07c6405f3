"""Every route refuses a foreign Host, every unsafe one a foreign page; headers are everywhere."""

import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from api.security import HEADERS, MAX_BODY_BYTES, SAFE_METHODS, host_name
from tests.api.conftest import SPEC


def operations(client: TestClient) -> list[tuple[str, str]]:
    """Method and path of everything that the application answers."""
    app = client.app
    assert isinstance(app, FastAPI)
    found = [
        (method, str(context.path).replace("{", "").replace("}", ""))
        for context in iter_route_contexts(app.routes)
        for method in sorted(context.methods or {"GET"})
    ]
    assert len(found) > 30
    return found


def test_every_route_refuses_a_foreign_host(client: TestClient) -> None:
    for method, path in operations(client):
        answer = client.request(method, path, headers={"host": "evil.example:8000"})
        assert answer.status_code == 400, (method, path)
        if method != "HEAD":
            assert answer.json()["type"] == "urn:sweeper:problem:bad-host"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"origin": "http://[::1"},
    ],
    ids=str,
)
def test_every_unsafe_route_refuses_a_foreign_page(
    client: TestClient, headers: dict[str, str]
) -> None:
    unsafe = [(m, path) for m, path in operations(client) if m not in SAFE_METHODS]
    assert len(unsafe) >= 9
    for method, path in [*unsafe, ("DELETE", "/"), ("PUT", "/api/v1/sweeps")]:
        answer = client.request(method, path, headers=headers, json=SPEC)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["type"] == "urn:sweeper:problem:foreign-origin"
    assert client.get("/api/v1/sweeps").json()["items"] == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1:8000"}],
    ids=str,
)
def test_programs_and_the_own_page_may_submit(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/api/v1/sweeps", json=SPEC, headers=headers).status_code == 201


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_loopback_is_served_under_any_port(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1.evil.example", "localhost@evil.example", "evil.example", "127.0.0.1:x"]
)
def test_other_names_are_not_served(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 400


@pytest.mark.parametrize(
    ("host", "name"), [("A.b:80", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a", "a")]
)
def test_a_host_has_a_name_and_perhaps_a_port(host: str, name: str) -> None:
    assert host_name(host) == name


def test_a_forwarded_host_is_not_believed(client: TestClient) -> None:
    headers = {"host": "evil.example", "x-forwarded-host": "127.0.0.1:8000"}
    assert client.get("/healthz", headers=headers).status_code == 400


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/nowhere", "/api/v1/sweeps/none", "/openapi.json"]
)
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    answer = client.get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert len(answer.headers["x-request-id"]) == 32
    assert "access-control-allow-origin" not in answer.headers


def test_scripts_come_from_here_alone_and_never_from_text() -> None:
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_body_must_be_json(client: TestClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    answer = client.post("/api/v1/sweeps", content=json.dumps(SPEC), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["type"] == "urn:sweeper:problem:not-json"


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    body = json.dumps(SPEC | {"name": "x" * MAX_BODY_BYTES})
    headers = {"content-type": "application/json"}
    answer = client.post("/api/v1/sweeps", content=body, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:sweeper:problem:body-too-large"
    assert client.get("/api/v1/sweeps").json()["items"] == []


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(40):
            sent += 1
            yield b" " * 2**16

    headers = {"content-type": "application/json"}
    answer = client.post("/api/v1/sweeps", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert answer.json()["status"] == 413


def test_a_body_of_exactly_the_limit_is_read(client: TestClient) -> None:
    body = json.dumps(SPEC).encode()
    headers = {"content-type": "application/json"}
    padded = body + b" " * (MAX_BODY_BYTES - len(body))
    assert client.post("/api/v1/sweeps", content=padded, headers=headers).status_code == 201
