"""Importing over REST, and the pages of what was imported."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from sweeper.storage.store import Store
from tests.api.conftest import SPEC
from tests.imports.rows import body

ROWS: list[dict[str, Any]] = [
    {"id": "a"},
    {"value": 0.016, "final_loss": 3.4},
    {"value": 0.032, "outcome": "diverged", "final_loss": None},
    {"value": 0.008, "label": "b", "final_loss": 3.6},
]


@pytest.fixture
def imported(client: TestClient) -> str:
    answer = client.post("/api/v1/sweeps/import", json=body(*ROWS))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_it_reads_like_any_other_sweep(client: TestClient, imported: str) -> None:
    sweep = client.get(f"/api/v1/sweeps/{imported}").json()
    assert (sweep["state"], sweep["imported_from"]) == ("done", "a file")
    assert sweep["points"]["done"] == 4
    curves = client.get(f"/api/v1/sweeps/{imported}/curves").json()["items"]
    assert [curve["label"] for curve in curves] == ["adamw 1x", "b"]
    assert [point["diverged"] for point in curves[0]["points"]] == [0, 0, 1]
    assert curves[0]["stability"]["best_value"] == 0.016
    figure = client.get(f"/api/v1/sweeps/{imported}/figure").json()
    assert {"adamw 1x", "b"} <= {trace.get("name") for trace in figure["data"]}
    rows = client.get(f"/api/v1/sweeps/{imported}/results").json()["items"]
    assert {row["final_loss"] for row in rows} == {3.5, 3.4, None, 3.6}
    assert client.get("/api/v1/sweeps?state=done").json()["items"][0]["id"] == imported


def test_ours_are_from_nowhere_else(client: TestClient, sweep_id: str) -> None:
    assert client.get(f"/api/v1/sweeps/{sweep_id}").json()["imported_from"] is None


@pytest.mark.parametrize("verb", ["retry", "resume", "pause", "cancel"])
def test_it_cannot_be_steered(verb: str, client: TestClient, imported: str) -> None:
    answer = client.post(f"/api/v1/sweeps/{imported}/{verb}")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:sweeper:problem:conflict")
    assert "imported from a file" in answer.json()["detail"]


def test_it_gets_no_further_points(client: TestClient, imported: str) -> None:
    answer = client.post(f"/api/v1/sweeps/{imported}/extend", json={"values": [0.1]})
    assert answer.status_code == 409
    assert "imported from a file: nothing of it can be trained" in answer.json()["detail"]


@pytest.mark.parametrize(
    "claimed", [{"hyperparameters": {}}, {"model": {"layers": 10**6}}, {"options": 5}]
)
def test_nothing_is_computed_of_a_run_that_was_trained_elsewhere(
    client: TestClient, store: Store, sweep_id: str, claimed: dict[str, Any]
) -> None:
    trial = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"][0]["trial_id"]
    config = dict(store.results.trial(trial).config)
    for key, value in claimed.items():
        config[key] = config[key] | value if key == "model" else value
    answer = client.post("/api/v1/sweeps/import", json=body({"config": config}))
    imported = answer.json()["id"]
    assert client.get(f"/sweeps/{imported}").status_code == 200
    compared = client.get(f"/api/v1/compare?sweep={imported}").json()
    assert compared["variants"][0]["spent"]["steps"] is None


def test_pages_say_so_and_offer_no_training(client: TestClient, imported: str) -> None:
    assert 'class="tag" title="a file">imported' in client.get("/").text
    page = client.get(f"/sweeps/{imported}").text
    assert "from a file" in page
    assert "data-action" not in page
    assert "Use as a template" not in page
    trial_id = client.get(f"/api/v1/sweeps/{imported}/trials").json()["items"][0]["trial_id"]
    trial = client.get(f"/trials/{trial_id}")
    assert trial.status_code == 200
    assert "imported: not trained here" in trial.text
    assert "source_id" in trial.text


def test_one_bad_row_imports_nothing(client: TestClient) -> None:
    rows = [*ROWS, {"value": "0.1", "label": "c"}, {"label": "d", "id": None}]
    answer = client.post("/api/v1/sweeps/import", json=body(*rows))
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/rows/4/value", "/rows/5/id"]
    assert client.get("/api/v1/sweeps").json()["items"] == []


def test_only_an_import_may_be_of_megabytes(client: TestClient) -> None:
    rows = [{"seed": seed, "id": f"{seed}-" + "x" * 300} for seed in range(5000)]
    large = body(*rows)
    assert client.post("/api/v1/sweeps/import", json=large).status_code == 201
    assert client.post("/api/v1/sweeps", json=SPEC | {"x": large}).status_code == 413
    padding = {"seed": 5000, "config": {"x": "x" * 2**24}}
    answer = client.post("/api/v1/sweeps/import", json=body(*rows, padding))
    assert (answer.status_code, "16777216 bytes" in answer.text) == (413, True)
