"""The main job over REST: submit, follow, read."""

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC
from trainers.token_files import TRAIN, VALIDATION


def test_submission_answers_created_with_its_place(client: TestClient) -> None:
    answer = client.post("/api/v1/sweeps", json=SPEC)
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/sweeps/{body['id']}"
    assert body["trials"] == {"total": 8, "new": 8, "shared": 0}
    assert client.get(answer.headers["location"]).json()["state"] == "queued"


def test_preview_counts_and_stores_nothing(client: TestClient, store: Store) -> None:
    first = client.post("/api/v1/sweeps/preview", json=SPEC).json()
    assert (first["variants"], first["points"]) == (2, 8)
    assert first["trials"] == {"total": 8, "new": 8, "shared": 0}
    assert first["tokens"] == 8 * 20 * 8 * 64
    assert first["flops"] > 0
    assert client.get("/api/v1/sweeps").json()["items"] == []
    client.post("/api/v1/sweeps", json=SPEC)
    again = client.post("/api/v1/sweeps/preview", json=SPEC).json()
    assert again["trials"] == {"total": 8, "new": 0, "shared": 8}
    assert again["tokens"] == 0


def test_the_same_key_and_body_submit_once(client: TestClient) -> None:
    key = {"idempotency-key": "one"}
    first = client.post("/api/v1/sweeps", json=SPEC, headers=key)
    second = client.post("/api/v1/sweeps", json=SPEC, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json()["id"] == first.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    other = client.post("/api/v1/sweeps", json=SPEC | {"name": "another"}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"] == "urn:sweeper:problem:key-reused"
    assert len(client.get("/api/v1/sweeps").json()["items"]) == 1


def test_a_list_goes_on_from_its_cursor(client: TestClient) -> None:
    names = [f"sweep {i}" for i in range(5)]
    for name in names:
        client.post("/api/v1/sweeps", json=SPEC | {"name": name})
    seen: list[str] = []
    address = "/api/v1/sweeps?limit=2&search=sweep"
    parts = 0
    while address:
        answer = client.get(address)
        seen += [item["name"] for item in answer.json()["items"]]
        parts += 1
        address = answer.links.get("next", {}).get("url", "")
        assert bool(address) == (answer.json()["next"] is not None)
    assert seen == names[::-1]
    assert parts == 3


def test_a_list_is_filtered_by_state_and_name(client: TestClient, sweep_id: str) -> None:
    other = client.post("/api/v1/sweeps", json=SPEC | {"name": "other"}).json()["id"]
    client.post(f"/api/v1/sweeps/{other}/cancel")

    def ids(**query: str) -> list[str]:
        found = client.get("/api/v1/sweeps", params=query).json()["items"]
        return [item["id"] for item in found]

    assert ids(state="cancelled") == [other]
    assert ids(state="queued") == [sweep_id]
    assert ids(search="oth") == [other]
    assert client.get("/api/v1/sweeps", params={"state": "lost"}).status_code == 422


def test_pause_resume_cancel_and_retry(client: TestClient, sweep_id: str) -> None:
    def change(verb: str) -> Any:
        answer = client.post(f"/api/v1/sweeps/{sweep_id}/{verb}")
        assert answer.status_code == 202, answer.text
        return answer.json()

    assert change("pause")["state"] == "paused"
    assert change("resume")["state"] == "queued"
    cancelled = change("cancel")
    assert (cancelled["state"], cancelled["points"]["cancelled"]) == ("cancelled", 8)
    late = client.post(f"/api/v1/sweeps/{sweep_id}/pause")
    assert late.status_code == 409
    assert late.json()["type"] == "urn:sweeper:problem:conflict"
    assert change("cancel")["state"] == "cancelled"
    assert change("retry") == {"id": sweep_id, "retried": 8}
    assert change("retry") == {"id": sweep_id, "retried": 0}
    assert client.get(f"/api/v1/sweeps/{sweep_id}").json()["state"] == "queued"


def test_curves_and_stability_of_a_finished_sweep(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    played.finish_all(store)
    sweep = client.get(f"/api/v1/sweeps/{sweep_id}").json()
    assert sweep["state"] == "done"
    assert sweep["points"]["done"] == 8
    assert sweep["points"]["diverged"] == 3
    curves = client.get(f"/api/v1/sweeps/{sweep_id}/curves").json()["items"]
    assert [curve["label"] for curve in curves] == ["adamw", "lion"]
    adamw = curves[0]
    assert [point["value"] for point in adamw["points"]] == [1e-4, 1e-3, 1e-2, 1e-1]
    assert [point["diverged"] for point in adamw["points"]] == [0, 0, 0, 1]
    assert adamw["stability"]["best_value"] == 1e-3
    numbers = client.get(f"/api/v1/sweeps/{sweep_id}/stability").json()["items"]
    assert [row["stability"] for row in numbers] == [curve["stability"] for curve in curves]


def test_results_in_every_format_are_the_same(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    played.finish_all(store)
    address = f"/api/v1/sweeps/{sweep_id}/results"
    rows = client.get(address).json()["items"]
    assert len(rows) == 8
    by_suffix = client.get(f"{address}.csv")
    by_accept = client.get(address, headers={"accept": "text/csv"})
    assert by_suffix.text == by_accept.text
    assert "attachment" in by_suffix.headers["content-disposition"]
    frames = [
        pd.read_csv(io.StringIO(by_suffix.text)),
        pd.read_parquet(io.BytesIO(client.get(f"{address}.parquet").content)),
    ]
    for frame in frames:
        assert list(frame["trial_id"]) == [row["trial_id"] for row in rows]
        finite = frame["final_loss"].notna()
        assert list(frame["final_loss"][finite]) == [
            row["final_loss"] for row in rows if row["final_loss"] is not None
        ]
    assert client.get(f"{address}.json").json()["items"] == rows
    assert client.get(f"{address}.xlsx").status_code == 422


def test_trials_metrics_and_log(client: TestClient, store: Store, sweep_id: str) -> None:
    played.finish_all(store)
    rows = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"]
    assert len(rows) == 8
    diverged = next(row for row in rows if row["outcome"] == "diverged")
    assert (diverged["final_loss"], diverged["diverged_at_step"]) == (None, 7)
    # Its stack went on to step 20.
    assert client.get(f"/api/v1/trials/{diverged['trial_id']}").json()["step"] == 7
    assert client.get(f"/api/v1/sweeps/{sweep_id}/trials?state=running").json()["items"] == []
    trial = client.get(f"/api/v1/trials/{diverged['trial_id']}").json()
    assert trial["config"]["optimizer"] == diverged["optimizer"]
    assert [attempt["tune_trial_id"] for attempt in trial["attempts"]] == ["tune_1"]
    assert [reference["id"] for reference in trial["sweeps"]] == [sweep_id]
    address = f"/api/v1/trials/{diverged['trial_id']}"
    metrics = client.get(f"{address}/metrics?key=grad_norm").json()["items"]
    assert metrics == [
        {"key": "grad_norm", "step": 20, "value": None, "kind": "nan", "detail": None}
    ]
    assert client.get(f"{address}/log").json() == {"trial_id": diverged["trial_id"], "log": ""}


@pytest.mark.parametrize("kind", ["sweeps", "trials"])
def test_figures_are_plotly_json(
    client: TestClient, store: Store, sweep_id: str, kind: str
) -> None:
    played.finish_all(store)
    trial_id = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"][0]["trial_id"]
    one = {"sweeps": sweep_id, "trials": trial_id}[kind]
    light = client.get(f"/api/v1/{kind}/{one}/figure").json()
    dark = client.get(f"/api/v1/{kind}/{one}/figure?theme=dark").json()
    assert light["data"]
    assert light["layout"]["meta"]["theme"] == "light"
    assert dark["layout"]["meta"]["theme"] == "dark"


def test_the_figure_shows_the_basins_that_are_asked_for(
    client: TestClient, store: Store, sweep_id: str
) -> None:
    played.finish_all(store)
    path = f"/api/v1/sweeps/{sweep_id}/figure"
    usual, broad = (client.get(path + query).json() for query in ("", "?tolerance=0.5"))
    said = [figure["layout"]["title"]["subtitle"]["text"] for figure in (usual, broad)]
    assert "within 0.05 nats" in said[0]
    assert "within 0.5 nats" in said[1]
    assert client.get(path + "?tolerance=0").status_code == 422


def test_a_trial_has_a_figure_of_its_effective_learning_rates(
    client: TestClient, sweep_id: str
) -> None:
    trial_id = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"][0]["trial_id"]
    answer = client.get(f"/api/v1/trials/{trial_id}/figure?figure=effective_lr&theme=dark").json()
    assert answer["layout"]["yaxis"]["title"]["text"] == "effective learning rate"
    assert client.get(f"/api/v1/trials/{trial_id}/figure?figure=pie").status_code == 422


def test_the_figure_to_keep_is_never_shown_as_a_page_of_ours(
    client: TestClient, sweep_id: str
) -> None:
    answer = client.get(f"/api/v1/sweeps/{sweep_id}/figure.html")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "<script src=" not in answer.text


@pytest.mark.parametrize("part", ["", "/curves"])
def test_what_is_known_is_not_sent_again(
    client: TestClient, store: Store, sweep_id: str, part: str
) -> None:
    address = f"/api/v1/sweeps/{sweep_id}{part}"
    etag = client.get(address).headers["etag"]
    known = client.get(address, headers={"if-none-match": etag})
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == etag
    played.finish_all(store)
    changed = client.get(address, headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_the_catalogue_names_what_a_sweep_can(client: TestClient) -> None:
    def names(noun: str) -> list[str]:
        return [item["name"] for item in client.get(f"/api/v1/{noun}").json()["items"]]

    assert {"sgd", "adamw", "adafactor", "lion", "signum"} <= set(names("optimizers"))
    assert names("scales")[:2] == ["nano", "micro"]
    assert "demo" in names("presets")
    assert "embedded" in names("datasets")


def test_a_data_set_is_told_with_its_tokens(client: TestClient, data_dir: Path) -> None:
    (embedded,) = client.get("/api/v1/datasets").json()["items"]
    # A token is a byte there.
    sizes = [(data_dir / "datasets/embedded" / f).stat().st_size for f in (TRAIN, VALIDATION)]
    assert [embedded["tokens"], embedded["validation_tokens"]] == sizes
    assert min(sizes) > 0


def test_an_optimizer_is_told_with_defaults_and_costs(client: TestClient) -> None:
    items = {item["name"]: item for item in client.get("/api/v1/optimizers").json()["items"]}
    adamw, soap, torch = items["adamw"], items["soap"], items["torch.AdamW"]
    momentum = next(h for h in adamw["hyperparameters"] if h["name"] == "momentum")
    assert (momentum["default"], momentum["rule"]) == (0.9, "0 <= momentum < 1")
    assert momentum["origin"].endswith("0.9 in the study.")
    assert (adamw["state_bytes"], adamw["schedule"]) == (8.0, "warmup_cosine")
    assert soap["options"][0]["name"] == "precondition_frequency"
    assert torch["options"][0] | {"help": ""} == {
        "name": "amsgrad",
        "default": False,
        "rule": "amsgrad in (false, true)",
        "help": "",
        "origin": "PyTorch, class torch.optim.AdamW",
    }


def test_every_preset_can_be_previewed(client: TestClient) -> None:
    for preset in client.get("/api/v1/presets").json()["items"]:
        answer = client.post("/api/v1/sweeps/preview", json=preset["sweep"])
        assert answer.status_code == 200, (preset["name"], answer.text)


@pytest.mark.parametrize("parameter", ["momentum", "eps", "weight_decay"])
def test_other_hyperparameters_are_swept_like_the_learning_rate(
    client: TestClient, parameter: str
) -> None:
    low, high = {"momentum": (0.5, 0.99)}.get(parameter, (1e-8, 1e-3))
    spec = SPEC | {
        "axis": {"parameter": parameter, "low": low, "high": high, "points": 3},
        "optimizers": ["adamw"],
    }
    sweep_id = client.post("/api/v1/sweeps", json=spec).json()["id"]
    curve = client.get(f"/api/v1/sweeps/{sweep_id}/curves").json()["items"][0]
    assert curve["parameter"] == parameter
    assert len(curve["points"]) == 3
