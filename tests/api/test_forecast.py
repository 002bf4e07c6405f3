"""What a preview says about hours, and sweeps that have to be confirmed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import Settings
from sweeper.cli.forecasts import summary
from sweeper.planning.machine import Machine
from sweeper.planning.speeds import Measurement, shape_key
from sweeper.storage.store import Store
from tests.api.conftest import BASE_URL, SPEC
from tests.storage.builders import take_over
from trainers.config import from_dict


@pytest.fixture
def limited(store: Store, data_dir: Path) -> Iterator[TestClient]:
    settings = Settings(database=store.url, data_dir=data_dir, confirm_above_hours=0.0)
    with TestClient(create_app(store, settings), base_url=BASE_URL) as opened:
        yield opened


def test_a_preview_has_stacks_hours_and_their_source(client: TestClient) -> None:
    found = client.post("/api/v1/sweeps/preview", json=SPEC).json()["forecast"]
    assert not found["machine_known"]
    assert (found["source"], found["unfit"]) == ("model", 0)
    assert sum(kind["size"] * kind["count"] for kind in found["kinds"]) == 8
    assert all(kind["memory_bytes"] > 2**20 for kind in found["kinds"])
    assert 0 < found["wall_hours"] <= found["device_hours"]


def test_a_preview_tells_how_many_points_rounds_may_add(client: TestClient) -> None:
    assert client.post("/api/v1/sweeps/preview", json=SPEC).json()["may_add"] == 0
    changes = {
        "axis": {"parameter": "eps", "values": [1e-15, 1e-8]},
        "optimizers": ["adamw", "soap", {"name": "lion", "inert": True}],
        "seeds": [0, 1, 2],
        "extend": {"budget": 4},
        "refine": {"budget": 5},
    }
    found = client.post("/api/v1/sweeps/preview", json=SPEC | changes).json()
    # Nothing is ever added to the curve that eps does not affect.
    assert (found["points"], found["may_add"]) == (18, (4 + 5) * 2 * 3)
    forecast = {key: found[key] for key in ("trials", "tokens", "flops", "forecast")}
    assert summary({**forecast, "may_add": 54}).endswith("; its rounds may add 54 more at most")


def test_a_preview_knows_the_machine_and_what_stacks_took(client: TestClient, store: Store) -> None:
    before = client.post("/api/v1/sweeps/preview", json=SPEC).json()["forecast"]
    client.post("/api/v1/sweeps", json=SPEC)
    store.queue.note_machine(take_over(store), Machine(cpus=3, device="a device"))
    shapes = {shape_key(from_dict(t.config)) for t in store.queue.free_trials()}
    for shape in shapes:
        note = Measurement(device="a device", shape=shape, size=2, step_s=9.0)
        store.queue.note_speed(note)
    body = SPEC | {"seeds": [5]}
    found = client.post("/api/v1/sweeps/preview", json=body).json()["forecast"]
    assert found["machine"] == {
        "cpus": 3,
        "gpus": 0,
        "gpu_memory_bytes": 0,
        "device": "a device",
    }
    assert found["machine_known"]
    assert found["source"] == "measured"
    assert found["device_hours"] > 10 * before["device_hours"]


def test_a_large_sweep_is_refused_until_it_is_confirmed(limited: TestClient) -> None:
    refused = limited.post("/api/v1/sweeps", json=SPEC)
    problem = refused.json()
    assert refused.status_code == 428
    assert problem["type"] == "urn:sweeper:problem:needs-confirmation"
    assert "device-hours <= 0 must hold without confirmation" in problem["detail"]
    assert "8 new trials would take" in problem["detail"]
    assert limited.get("/api/v1/sweeps").json()["items"] == []
    assert limited.post("/api/v1/sweeps?confirm=false", json=SPEC).status_code == 428
    accepted = limited.post("/api/v1/sweeps?confirm=true", json=SPEC)
    assert accepted.status_code == 201
    assert accepted.json()["trials"]["new"] == 8


def test_confirmation_is_no_part_of_a_sweep(limited: TestClient) -> None:
    key = {"idempotency-key": "one"}
    first = limited.post("/api/v1/sweeps?confirm=true", json=SPEC, headers=key)
    again = limited.post("/api/v1/sweeps", json=SPEC, headers=key)
    assert again.status_code == 201
    assert again.json()["id"] == first.json()["id"]
    assert limited.get(f"/api/v1/sweeps/{first.json()['id']}").json()["spec"] == SPEC


def test_what_is_there_already_needs_no_confirmation(limited: TestClient) -> None:
    limited.post("/api/v1/sweeps?confirm=true", json=SPEC)
    assert limited.post("/api/v1/sweeps", json=SPEC | {"name": "again"}).status_code == 201
    fresh = limited.post("/api/v1/sweeps", json=SPEC | {"fresh": True})
    assert fresh.status_code == 428
    bad = limited.post("/api/v1/sweeps", json=SPEC | {"optimizers": ["adamx"]})
    assert bad.status_code == 422


def test_rounds_count_for_the_limit(store: Store, data_dir: Path) -> None:
    probe = create_app(store, Settings(database=store.url, data_dir=data_dir))
    thinking = SPEC | {"extend": {"budget": 8}}
    with TestClient(probe, base_url=BASE_URL) as client:
        found = client.post("/api/v1/sweeps/preview", json=thinking).json()
    forecast = found["forecast"]
    assert found["may_add"] == 8 * 2
    limit = forecast["device_hours"] + forecast["rounds_hours"] / 2
    settings = Settings(database=store.url, data_dir=data_dir, confirm_above_hours=limit)
    with TestClient(create_app(store, settings), base_url=BASE_URL) as client:
        refused = client.post("/api/v1/sweeps", json=thinking)
        assert refused.status_code == 428
        assert f"its rounds may add {found['may_add']} points" in refused.json()["detail"]
        assert client.post("/api/v1/sweeps", json=SPEC).status_code == 201
