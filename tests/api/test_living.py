"""Living with sweeps over REST: extending, editing, archiving, deleting, disk use."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.routes.events import stream
from sweeper.service import Service
from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC

SWEEPS = "/api/v1/sweeps"


def test_extend_says_what_was_added_and_what_was_there(client: TestClient, sweep_id: str) -> None:
    answer = client.post(f"{SWEEPS}/{sweep_id}/extend", json={"values": [0.1, 1.0]})
    assert answer.status_code == 202
    assert answer.json() == {
        "id": sweep_id,
        "state": "queued",
        "added": 2,
        "there": 2,
        "trials": {"total": 2, "new": 2, "shared": 0},
    }
    again = client.post(f"{SWEEPS}/{sweep_id}/extend", json={"values": [0.1, 1.0]}).json()
    assert (again["added"], again["there"], again["trials"]["total"]) == (0, 4, 0)
    assert client.get(f"{SWEEPS}/{sweep_id}").json()["points"]["total"] == 10


def test_extend_is_refused_with_the_place(client: TestClient, sweep_id: str) -> None:
    bad = client.post(f"{SWEEPS}/{sweep_id}/extend", json={"values": [0.5, 0.0]})
    assert bad.status_code == 422
    assert bad.json()["errors"][0]["pointer"] == "/values/1"
    client.post(f"{SWEEPS}/{sweep_id}/cancel")
    late = client.post(f"{SWEEPS}/{sweep_id}/extend", json={"values": [1.0]})
    assert late.status_code == 409
    assert "`retry` brings it back" in late.json()["detail"]


def test_a_bracket_without_a_budget_is_refused_with_the_place(client: TestClient) -> None:
    answer = client.post(SWEEPS, json=SPEC | {"extend": "auto"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/extend"
    assert error["message"].startswith("needs a budget")
    assert client.get(SWEEPS).json()["items"] == []


def test_edit_changes_what_is_given(client: TestClient, sweep_id: str) -> None:
    place = f"{SWEEPS}/{sweep_id}"
    answer = client.patch(
        place, json={"name": "other", "note": "first\nsecond", "tags": ["b", "a", "b"]}
    )
    sweep = answer.json()
    assert answer.status_code == 200
    assert (sweep["name"], sweep["note"], sweep["tags"]) == ("other", "first\nsecond", ["a", "b"])
    sweep = client.patch(place, json={"note": "", "priority": 7}).json()
    assert (sweep["name"], sweep["note"], sweep["priority"]) == ("other", "", 7)


@pytest.mark.parametrize(
    ("body", "place", "part"),
    [
        ({}, "", "give at least one of name, note, tags, priority, archived"),
        ({"name": None}, "", "give at least one of"),
        ({"name": "<b>"}, "/name", "must match"),
        ({"note": "a\0b"}, "/note", "must match"),
        ({"note": "x" * 10_001}, "/note", "at most 10000 characters"),
        ({"tags": ["a,b"]}, "/tags/0", "(1 to 40 letters, digits, spaces,"),
        ({"tags": ["ok", ""]}, "/tags/1", "must match"),
        ({"tags": "ok"}, "/tags", "list"),
        ({"priority": 101}, "/priority", "less than or equal to 100, but got 101"),
        ({"archived": "yes"}, "/archived", "boolean"),
        ({"state": "done"}, "/state", "unknown key 'state'; known: name, note, tags, priority, "),
    ],
)
def test_a_bad_edit_is_one_clear_error(
    client: TestClient, sweep_id: str, body: dict[str, Any], place: str, part: str
) -> None:
    before = client.get(f"{SWEEPS}/{sweep_id}").json()
    answer = client.patch(f"{SWEEPS}/{sweep_id}", json=body)
    assert answer.status_code == 422
    found = {error["pointer"]: error["message"] for error in answer.json()["errors"]}
    assert part in found[place]
    assert client.get(f"{SWEEPS}/{sweep_id}").json() == before


def test_tags_filter_the_list_and_archived_sweeps_are_asked_for(
    client: TestClient, sweep_id: str
) -> None:
    other = client.post(SWEEPS, json=SPEC | {"name": "other"}).json()["id"]
    client.patch(f"{SWEEPS}/{sweep_id}", json={"tags": ["paper 1"]})

    def ids(**query: Any) -> list[str]:
        return [item["id"] for item in client.get(SWEEPS, params=query).json()["items"]]

    assert ids(tag="paper 1") == [sweep_id]
    assert ids(tag="paper") == []
    refused = client.patch(f"{SWEEPS}/{other}", json={"archived": True})
    assert refused.status_code == 409
    client.post(f"{SWEEPS}/{other}/pause")
    assert client.patch(f"{SWEEPS}/{other}", json={"archived": True}).json()["archived"]
    assert (ids(), ids(archived=True)) == ([sweep_id], [other])
    client.post(f"{SWEEPS}/{other}/resume")
    assert ids() == [other, sweep_id]


def test_delete_is_for_what_has_ended_and_repeats_harmlessly(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    early = client.delete(f"{SWEEPS}/{sweep_id}")
    assert early.status_code == 409
    assert "cancel it first" in early.json()["detail"]
    played.finish_all(store)
    answer = client.delete(f"{SWEEPS}/{sweep_id}")
    assert answer.json() == {"id": sweep_id, "deleted": True, "points": 8, "trials": 8}
    assert client.delete(f"{SWEEPS}/{sweep_id}").json()["deleted"] is False
    for place in ("", "/curves", "/events", "/results", "/trials"):
        assert client.get(f"{SWEEPS}/{sweep_id}{place}").status_code == 404
    assert client.get(f"/sweeps/{sweep_id}").status_code == 404


def test_disk_use_counts_what_a_sweep_alone_has(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    shared = SPEC | {"axis": {"parameter": "lr", "values": [1e-3, 0.5]}}
    other = client.post(SWEEPS, json=shared).json()["id"]
    played.finish_all(store)
    use = client.get("/api/v1/disk").json()
    assert use["database"] > 0
    assert use["datasets"] > 1_000_000
    by_id = {sweep["id"]: sweep for sweep in use["sweeps"]}
    assert (by_id[sweep_id]["trials"], by_id[sweep_id]["own_trials"]) == (8, 6)
    assert (by_id[other]["trials"], by_id[other]["own_trials"]) == (4, 2)
    assert by_id[sweep_id]["measurements"] > by_id[other]["measurements"] > 0
    assert 0 < sum(sweep["database"] for sweep in use["sweeps"]) < use["database"]
    assert [sweep["id"] for sweep in use["sweeps"]] == [sweep_id, other]


def test_a_stream_of_a_sweep_that_is_deleted_says_bye(
    client: TestClient, store: Store, sweep_id: str, tmp_path: Path
) -> None:
    async def follow() -> list[str]:
        service = Service(store, tmp_path)
        chunks = []
        async for chunk in stream(service, sweep_id, 0, asyncio.Event(), poll_s=0.01):
            chunks.append(chunk.decode())
            if "event: progress" in chunks[-1]:
                store.sweeps.cancel(sweep_id)
                store.sweeps.delete(sweep_id)
        return chunks

    last = asyncio.run(follow())[-1]
    assert "event: bye" in last
    assert "the sweep has been deleted" in last
