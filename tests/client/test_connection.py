"""The Python client against a server that misbehaves, and against none."""

from datetime import date

import pytest

from sweeper.client import Client, Json, Refused, Retries, Unreachable
from sweeper.errors import InvalidRequest, NotFound, Unavailable
from tests.client.answering import answering

QUICK = Retries(attempts=3, first_pause_s=0.001)


def test_nothing_there_is_unreachable_after_the_last_attempt() -> None:
    with answering([]) as (url, _):
        pass
    with Client(url, retries=QUICK) as client, pytest.raises(Unreachable, match="sweeper serve"):
        client.sweep("a")


def test_not_now_is_asked_again_with_the_same_key() -> None:
    problem = {"type": "urn:sweeper:problem:unavailable", "detail": "later"}
    answers: list[tuple[int, Json]] = [(503, problem), (503, problem), (201, {"id": "a"})]
    with (
        answering(answers) as (url, seen),
        Client(url, key="secret", retries=QUICK) as client,
    ):
        assert client.submit({"name": "x"}) == {"id": "a"}
    assert len({headers["idempotency-key"] for headers in seen}) == 1
    assert [headers["authorization"] for headers in seen] == ["Bearer secret"] * 3


def test_not_now_for_ever_is_unavailable() -> None:
    problem = {"type": "urn:sweeper:problem:unavailable", "detail": "later"}
    with (
        answering([(503, problem)] * 3) as (url, seen),
        Client(url, retries=QUICK) as client,
        pytest.raises(Unavailable, match="later"),
    ):
        client.sweep("a")
    assert len(seen) == 3


def test_a_refusal_is_not_repeated() -> None:
    with (
        answering([(418, {"title": "a teapot"})]) as (url, seen),
        Client(url) as client,
        pytest.raises(Refused, match="a teapot"),
    ):
        client.sweep("a")
    assert len(seen) == 1


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://[::1", ""])
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url)


def test_another_server_is_not_taken_for_the_service() -> None:
    with (
        answering([(200, "<html>")]) as (url, _),
        Client(url) as client,
        pytest.raises(Refused, match="as no sweeper does"),
    ):
        client.sweep("a")


def test_no_id_is_the_id_of_nothing() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(NotFound, match="empty id"):
        client.sweep("")


def test_what_json_cannot_hold_is_an_invalid_request() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(InvalidRequest, match="type date"):
        client.preview({"name": date(2026, 1, 1)})


@pytest.mark.parametrize("state", ["done", "done_with_failures", "cancelled", "paused"])
def test_wait_ends_where_nothing_will_happen(state: str) -> None:
    looks = [(200, {"id": "a", "state": found}) for found in ("pending", "running", state)]
    with answering(looks) as (url, seen), Client(url) as client:
        assert client.wait("a", poll_s=0)["state"] == state
    assert len(seen) == 3


def test_past_events_are_read_to_their_end() -> None:
    parts: list[Json] = [
        {"items": [{"id": 1}, {"id": 7}], "next": "7"},
        {"items": [{"id": 9}], "next": None},
    ]
    with answering([(200, part) for part in parts]) as (url, _), Client(url) as client:
        assert [event["id"] for event in client.past_events("a")] == [1, 7, 9]


def test_pauses_grow_and_differ() -> None:
    pauses = list(Retries(attempts=8, first_pause_s=0.2, longest_pause_s=1.0).pauses_s())
    assert len(pauses) == 7
    for i, pause in enumerate(pauses):
        full = min(1.0, 0.2 * 2**i)
        assert full / 2 <= pause <= full
