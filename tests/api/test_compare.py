"""Comparing sweeps over REST."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC

SEEDED = SPEC | {
    "name": "seeded",
    "axis": {"parameter": "lr", "low": 1e-5, "high": 1e-1, "points": 9},
    "optimizers": ["adamw", {"name": "adamw", "label": "adamw 2", "beta2": 0.9}, "lion"],
    "seeds": [0, 1, 2, 3],
}


def submitted(client: TestClient, **changes: Any) -> str:
    answer = client.post("/api/v1/sweeps", json=SEEDED | changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def compared(client: TestClient, *sweeps: str, **query: Any) -> dict[str, Any]:
    answer = client.get("/api/v1/compare", params={"sweep": list(sweeps), **query})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    return found


@pytest.fixture
def seeded(client: TestClient, store: Store) -> str:
    sweep_id = submitted(client)
    played.finish_all(store)
    return sweep_id


def test_variants_of_one_sweep(client: TestClient, seeded: str) -> None:
    found = compared(client, seeded)
    assert (found["parameter"], found["axis_scale"], found["unit"]) == ("lr", "log", "decades")
    assert [v["name"] for v in found["variants"]] == ["adamw", "adamw 2", "lion"]
    assert not found["preliminary"]
    assert [(p["first"], p["second"]) for p in found["pairs"]] == [
        ("adamw", "adamw 2"),
        ("adamw", "lion"),
        ("adamw 2", "lion"),
    ]
    same = found["pairs"][0]["at_optimum"]
    assert (same["test"]["difference"], same["verdict"]["judgement"]) == (0.0, "equivalent")
    adamw = found["variants"][0]
    assert adamw["estimates"]["optimum_value"]["low"] < adamw["estimates"]["optimum_value"]["value"]
    assert adamw["estimates"]["resamples"] == 2000


def test_what_the_runs_used(client: TestClient, seeded: str) -> None:
    adamw, _, lion = (v["spent"] for v in compared(client, seeded)["variants"])
    assert (adamw["steps"], adamw["tokens"], adamw["seconds"]) == (20, 20 * 8 * 64, 1.5)
    assert adamw["state_bytes"] == 2 * lion["state_bytes"]
    assert adamw["flops"] > lion["flops"]
    assert adamw["loss_at_equal"]["steps"] == pytest.approx(2.3, abs=0.05)
    assert adamw["speed_up"]["steps"] == pytest.approx(1.0)


def test_a_window_is_part_of_the_answer(client: TestClient, seeded: str) -> None:
    adamw = compared(client, seeded, low=1e-3, high=1e-2)["variants"][0]["estimates"]
    assert adamw["sensitivity_stated"]["values"] == 3
    path = f"/api/v1/sweeps/{seeded}/stability"
    same = client.get(path, params={"low": 1e-3, "high": 1e-2}).json()["items"][0]["estimates"]
    assert same["sensitivity_stated"] == adamw["sensitivity_stated"]
    assert same["best_loss"] == adamw["best_loss"]


def test_several_sweeps_are_told_apart_by_their_names(
    client: TestClient, store: Store, seeded: str
) -> None:
    other = submitted(client, name="other", seeds=[0, 1, 2])
    played.finish_all(store)
    found = compared(client, seeded, other)
    names = [v["name"] for v in found["variants"]]
    assert names[0] == "adamw, seeded"
    assert names[3] == "adamw, other"
    shared = next(p for p in found["pairs"] if (p["first"], p["second"]) == (names[0], names[3]))
    assert shared["at_optimum"]["test"]["seeds"] == 3
    again = submitted(client, name="other", seeds=[0, 1])
    assert compared(client, other, again)["variants"][0]["name"] == f"adamw, {other}"


def test_several_scales_have_their_own_pairs_and_a_transfer(
    client: TestClient, store: Store
) -> None:
    sweep_id = submitted(client, scales=["nano", "micro"], optimizers=["adamw", "lion"])
    played.finish_all(store)
    found = compared(client, sweep_id)
    assert [p["scale"] for p in found["pairs"]] == ["nano", "micro"]
    assert found["pairs"][0]["first"] == "adamw, nano"
    transfer = found["transfers"][0]
    assert [o["scale"] for o in transfer["optima"]] == ["nano", "micro"]
    assert transfer["optima"][0]["parameters"] < transfer["optima"][1]["parameters"]
    assert "a fit needs 3" in transfer["exponent"]["reason"]
    assert [(p["tuned_at"], p["used_at"]) for p in transfer["paid"]] == [("nano", "micro")]
    figure = client.get(f"/api/v1/sweeps/{sweep_id}/figure?figure=transfer&theme=dark").json()
    assert {trace["name"] for trace in figure["data"]} == {"adamw", "lion"}
    assert figure["layout"]["meta"]["theme"] == "dark"


def test_scales_of_several_sweeps_are_one_figure(client: TestClient, store: Store) -> None:
    sweeps = [submitted(client, name=s, scales=[s], seeds=[0]) for s in ("nano", "micro")]
    played.finish_all(store)
    figure = client.get("/api/v1/compare/figure", params={"sweep": sweeps, "theme": "dark"}).json()
    sizes = {trace["name"]: trace["x"] for trace in figure["data"]}
    assert list(sizes) == ["adamw", "adamw 2", "lion"]
    assert all(len(x) == 2 and x[0] < x[1] for x in sizes.values())


def test_a_reference_line_has_its_cost_and_no_best_value(client: TestClient, store: Store) -> None:
    axis = {"parameter": "beta2", "values": [0.9, 0.95, 0.99]}
    optimizers = ["adamw", {"name": "signum", "inert": True}]
    sweep_id = submitted(client, axis=axis, optimizers=optimizers, seeds=[0, 1])
    played.finish_all(store)
    signum = compared(client, sweep_id)["variants"][1]
    assert signum["spent"]["value"] is None
    assert signum["spent"]["tokens"] == 20 * 8 * 64
    assert signum["estimates"]["best_loss"]["value"] is not None
    assert "no effect" in signum["estimates"]["best_value"]["reason"]
    assert "signum" in client.get(f"/sweeps/{sweep_id}").text


def test_a_sweep_without_results_has_no_verdict(client: TestClient) -> None:
    found = compared(client, submitted(client))
    assert found["preliminary"]
    assert {p["at_optimum"]["verdict"]["judgement"] for p in found["pairs"]} == {
        "not distinguishable"
    }
    assert found["variants"][0]["spent"]["reason"] == "no finished run"
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("query", "pointer", "words"),
    [
        ({}, "query/sweep", "required"),
        ({"sweep": ["ID", "ID"]}, "query/sweep/1", "named before"),
        ({"sweep": ["ID", "MOMENTUM"]}, "query/sweep/1", "over momentum (one_minus_log)"),
        ({"sweep": ["ID", "LINEAR"]}, "query/sweep/1", "over lr (linear)"),
        ({"sweep": ["ID"] * 21}, "query/sweep", "20"),
        ({"sweep": ["ID"], "margin": 0}, "query/margin", "greater than 0"),
        ({"sweep": ["ID"], "low": 1e-3}, "query/high", "needs both"),
        ({"sweep": ["ID"], "high": 1e-3}, "query/low", "needs both"),
        ({"sweep": ["ID"], "low": 1e-2, "high": 1e-3}, "query/high", "low < high"),
        ({"sweep": ["ID"], "low": "NaN", "high": 1}, "query/low", "finite"),
    ],
)
def test_what_cannot_be_compared_is_told_by_place(
    client: TestClient, query: dict[str, Any], pointer: str, words: str
) -> None:
    momentum = {"parameter": "momentum", "low": 0.5, "high": 0.99, "points": 3}
    linear = SEEDED["axis"] | {"scale": "linear"}
    ids = {
        "ID": submitted(client),
        "MOMENTUM": submitted(client, axis=momentum),
        "LINEAR": submitted(client, axis=linear),
    }
    named = [ids[name] for name in query.get("sweep", [])]
    answer = client.get("/api/v1/compare", params=query | {"sweep": named})
    assert answer.status_code == 422, answer.text
    messages = {error["pointer"]: error["message"] for error in answer.json()["errors"]}
    assert words in messages[pointer]


def test_an_unknown_sweep_is_not_found(client: TestClient) -> None:
    answer = client.get("/api/v1/compare?sweep=none")
    assert answer.status_code == 404
    assert client.get("/api/v1/compare?sweep=a%00b").status_code == 404


def test_so_many_curves_are_shown_without_intervals(client: TestClient, store: Store) -> None:
    labels = [{"name": "adamw", "label": f"a{i}", "beta2": 0.9 + i / 10_000} for i in range(100)]
    axis = {"parameter": "lr", "values": [1e-3]}
    more = {"architectures": ["standard", "plain"], "scales": ["nano", "micro"], "seeds": [0]}
    sweep_id = submitted(client, axis=axis, optimizers=labels, **more)
    answer = client.get("/api/v1/compare", params={"sweep": sweep_id})
    assert answer.status_code == 422
    assert "at most 200 curves can be compared, but these sweeps have 400" in answer.text
    items = client.get(f"/api/v1/sweeps/{sweep_id}/stability").json()["items"]
    assert (len(items), items[0]["estimates"]) == (400, None)
    played.finish_all(store)
    assert "More than 200 curves" in client.get(f"/sweeps/{sweep_id}").text
