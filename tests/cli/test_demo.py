"""The demo, whole: what it promises of its curves, and that a second run trains nothing."""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli import demo
from sweeper.client import Client, Json
from sweeper.storage.store import open_store
from tests.cli.processes import run_sweeper
from tests.served import TINY
from trainers import config, data


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_draws_curves_and_trains_once(tmp_path: Path) -> None:
    first = _demo(tmp_path)
    assert first["sweep"]["points"]["done"] == 35
    assert len(first["curves"]) == 5
    for curve in first["curves"]:
        _check(curve, first["bigram_entropy"])
    page = Path(first["figure"]).read_text(encoding="utf-8")
    assert not re.search(r"<script[^>]*\ssrc=", page)
    assert all(curve["label"] in page for curve in first["curves"])
    before = _attempts(tmp_path)
    second = _demo(tmp_path)
    assert second["sweep"]["id"] == first["sweep"]["id"]
    assert second["curves"] == first["curves"]
    assert _attempts(tmp_path) == before


def test_a_run_after_an_upgrade_of_trainer_or_data_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = _Sent()
    demo._submit(sent, TINY, tmp_path)
    demo._submit(sent, TINY, tmp_path)
    embedded = data.prepare_embedded(tmp_path / "datasets")
    other = dataclasses.replace(embedded, sha256="0" * 64)
    monkeypatch.setattr(data, "prepare_embedded", lambda _: other)
    demo._submit(sent, TINY, tmp_path)
    monkeypatch.setattr(config, "TRAINER_VERSION", config.TRAINER_VERSION + 1)
    demo._submit(sent, TINY, tmp_path)
    first, again, other_data, other_trainer = sent.keys
    assert first == again
    assert len({first, other_data, other_trainer}) == 3


class _Sent(Client):
    """A client that notes the keys of what it would submit."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str | None] = []

    def submit(
        self,
        sweep: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        confirm: bool = False,
    ) -> Json:
        self.keys.append(idempotency_key)
        return {"id": "1", "state": "done"}


def _demo(folder: Path) -> dict[str, Any]:
    shown = run_sweeper(
        *("demo", "--exit", "--json", "--port", "0", "--data", "home"), cwd=folder, timeout_s=800
    )
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def _check(curve: dict[str, Any], bigram_entropy: float) -> None:
    """Better than knowing the byte before, best inside the window, and a worse end that shows."""
    stability, points = curve["stability"], curve["points"]
    assert stability["best_loss"] < bigram_entropy
    assert not stability["optimum_at_edge"]
    assert len(points) == 7
    ends = [points[0]["loss_mean"], points[-1]["loss_mean"]]
    assert max(ends) >= stability["best_loss"] + 0.3


def _attempts(folder: Path) -> set[tuple[int, int]]:
    with open_store(f"sqlite:///{folder / 'home' / 'sweeper.db'}") as store:
        sweep = store.sweeps.list(limit=1).items[0]
        trials = set(store.results.points(sweep.id)["trial_id"])
        return {(a.stack_id, a.attempt) for t in trials for a in store.results.trial(t).attempts}
