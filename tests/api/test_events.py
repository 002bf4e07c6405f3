"""Events as a list and as a stream."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.routes.events import stream
from sweeper.errors import Unavailable
from sweeper.service import Service
from sweeper.storage.records import EventKind, SweepRecord
from sweeper.storage.store import Store
from tests.api import played

Event = dict[str, str]


def parsed(text: str) -> list[Event]:
    """The events of a stream: event, id and data, where given."""
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [dict(line.split(": ", 1) for line in block if line) for block in blocks]


def test_a_list_goes_on_after_an_id(client: TestClient, store: Store, sweep_id: str) -> None:
    played.finish_all(store)
    found = client.get(f"/api/v1/sweeps/{sweep_id}/events").json()["items"]
    assert found[0]["kind"] == "submitted"
    ids = [event["id"] for event in found]
    assert ids == sorted(set(ids))
    later = client.get(f"/api/v1/sweeps/{sweep_id}/events?after={ids[2]}").json()["items"]
    assert later == found[3:]


def test_the_stream_of_an_ended_sweep_tells_all_and_ends(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    played.finish_all(store)
    headers = {"accept": "text/event-stream"}
    answer = client.get(f"/api/v1/sweeps/{sweep_id}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    events = parsed(answer.text)
    listed = client.get(f"/api/v1/sweeps/{sweep_id}/events").json()["items"]
    assert events[0] == {"retry": "2000"}
    assert [json.loads(e["data"]) for e in events if "id" in e] == listed
    progress = json.loads(next(e["data"] for e in events if e.get("event") == "progress"))
    assert (progress["state"], progress["points"]["done"]) == ("done", 8)
    assert events[-1]["event"] == "bye"
    assert json.loads(events[-1]["data"]) == {"reason": "the sweep has ended"}


def test_a_reader_who_comes_back_gets_what_it_missed(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    played.finish_all(store)
    headers = {"accept": "text/event-stream"}
    address = f"/api/v1/sweeps/{sweep_id}/events"
    everything = [e for e in parsed(client.get(address, headers=headers).text) if "id" in e]
    again = client.get(address, headers=headers | {"last-event-id": everything[3]["id"]})
    assert [e for e in parsed(again.text) if "id" in e] == everything[4:]


def test_a_live_stream_follows_and_says_bye(
    client: TestClient, store: Store, sweep_id: str, tmp_path: Path
) -> None:
    async def follow() -> list[Event]:
        closing = asyncio.Event()
        found: list[Event] = []
        async for chunk in stream(Service(store, tmp_path), sweep_id, 0, closing, poll_s=0.01):
            found += parsed(chunk.decode())
            names = [event.get("event") for event in found]
            if names[-1] == "progress" and "paused" not in names:
                store.sweeps.pause(sweep_id)
            elif names[-1] == "progress":
                closing.set()
        return found

    names = [event.get("event") for event in asyncio.run(follow())]
    assert names == [None, "submitted", "progress", "paused", "progress", "bye"]


def test_a_stream_outlives_a_database_that_is_away(
    client: TestClient, store: Store, sweep_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, refusals = store.sweeps.get, 0

    def sometimes(asked: str) -> SweepRecord:
        nonlocal refusals
        if refusals < 2:
            refusals += 1
            raise Unavailable
        return read(asked)

    monkeypatch.setattr(store.sweeps, "get", sometimes)
    store.sweeps.cancel(sweep_id)

    async def follow() -> str:
        service = Service(store, tmp_path)
        chunks = stream(service, sweep_id, 0, asyncio.Event(), poll_s=0.01)
        return b"".join([chunk async for chunk in chunks]).decode()

    text = asyncio.run(follow())
    assert text.count("The database does not answer now") == 2
    assert text.count("event: submitted") == 1
    assert text.count("event: bye") == 1


def test_the_page_follows_every_kind_of_event() -> None:
    script = (Path(__file__).parents[2] / "api" / "static" / "sweep.js").read_text("utf-8")
    _, _, kinds = script.partition("const KINDS = ")
    followed = set(re.findall(r'"(\w+)"', kinds.partition(";")[0]))
    assert followed == {"progress", *EventKind}
