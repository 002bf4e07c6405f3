"""Sweeps of a plug-in that the server is not started with any more: all of them can be read."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sweeper.storage.store import Store
from tests.api import played
from tests.trainers.optimizers.test_plugins import example

SWEEPS = "/api/v1/sweeps"
BODY: dict[str, Any] = {"name": "own", "optimizers": ["fit_sine"], "base": {"steps": 20}}
LR: dict[str, Any] = {"axis": {"parameter": "lr", "values": [0.01, 0.1]}}
SEARCH: dict[str, Any] = {"search": {"over": {"lr": {"low": 0.01, "high": 1.0}}, "trials": 2}}


def result(config: dict[str, Any]) -> played.Played:
    loss = 1.0 + config["hyperparameters"]["lr"]
    return played.Played(outcome="finite", final_loss=loss, best_loss=loss, train_loss=loss)


@pytest.mark.parametrize("what", [LR, SEARCH], ids=["sweep", "search"])
def test_a_sweep_can_be_read_without_its_plug_in(
    client: TestClient,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: dict[str, Any],
) -> None:
    (tmp_path / "sine.py").write_text(example("fit_sine"))
    (tmp_path / "soft.py").write_text(example("soft_sign"))
    monkeypatch.setenv("SWEEPER_PLUGINS", f"{tmp_path}/sine.py:{tmp_path}/soft.py")
    body = BODY | what | {"optimizers": ["fit_sine", "soft_sign"]}
    sweep_id = client.post(SWEEPS, json=body).json()["id"]
    monkeypatch.setattr(played, "result", result)
    played.finish_all(store)
    monkeypatch.delenv("SWEEPER_PLUGINS")
    parts = ["", "/curves", "/stability", "/search", "/figure", "/report.html", "/results"]
    addresses = [f"{SWEEPS}/{sweep_id}{part}" for part in parts]
    addresses += ["/", f"/sweeps/{sweep_id}"]
    if what is LR:
        addresses.append(f"/api/v1/compare?sweep={sweep_id}")
    assert {client.get(address).status_code for address in addresses} == {200}
    refused = client.post(f"{SWEEPS}/{sweep_id}/extend", json={"values": [0.5]})
    assert refused.status_code == 409
