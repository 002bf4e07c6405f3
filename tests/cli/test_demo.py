"""The demo, whole: what it promises of its curves, and that a second run trains nothing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sweeper.storage.store import open_store
from tests.cli.processes import run_sweeper

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


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
