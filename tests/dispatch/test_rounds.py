"""A dispatcher is killed between two rounds; the next one goes on as if nothing had happened."""

import signal
from pathlib import Path
from typing import Any

import pytest

from sweeper.service import Service
from sweeper.storage.store import Store, open_store
from tests.dispatch import tiny

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.timeout(400)]

ASKED: dict[str, Any] = {
    "name": "a sweep that thinks",
    "axis": {"parameter": "lr", "values": [1e-4, 1e-3]},
    "optimizers": ["adamw"],
    "base": {"steps": 10, "eval_sequences": 8},
    "extend": {"budget": 1},
    "refine": {"budget": 1},
}


def _points(store: Store, sweep_id: str) -> list[tuple[Any, ...]]:
    frame = store.results.points(sweep_id)
    columns = ["value", "seed", "origin", "final_loss"]
    return list(frame[columns].itertuples(index=False, name=None))


def _rounds(store: Store, sweep_id: str) -> list[tuple[str, str]]:
    told = [(str(e.kind), e.message) for e in store.sweeps.events(sweep_id)]
    return [(k, message) for k, message in told if k in {"extended", "refined", "settled"}]


def test_kills_around_a_round_lose_and_double_nothing(
    sqlite_url: str, postgresql_url: str, tmp_path: Path
) -> None:
    with open_store(sqlite_url) as store, open_store(postgresql_url) as undisturbed:
        service = Service(store, tiny.datasets(tmp_path))
        sweep_id = service.submit(ASKED).sweep_id
        for name in ("before_round", "after_round"):
            marker = tmp_path / name
            failpoint = {"name": name, "action": "kill", "marker": str(marker)}
            before = len(_rounds(store, sweep_id))
            dispatcher = tiny.start(sqlite_url, tmp_path, failpoints=[failpoint])
            assert dispatcher.ended() == -signal.SIGKILL
            assert marker.exists()
            assert len(_rounds(store, sweep_id)) == before + (name == "after_round")
            assert str(store.sweeps.get(sweep_id).state) == "running"
        assert tiny.start(sqlite_url, tmp_path, idle_exit=True).ended() == 0
        other = Service(undisturbed, tiny.datasets(tmp_path)).submit(ASKED).sweep_id
        assert tiny.start(postgresql_url, tmp_path, idle_exit=True).ended() == 0
        assert _rounds(store, sweep_id) == _rounds(undisturbed, other)
        assert _points(store, sweep_id) == _points(undisturbed, other)
        assert str(store.sweeps.get(sweep_id).state) == "done"
        assert len(_points(store, sweep_id)) == 2 + 1 + 1
        assert [kind for kind, _ in _rounds(store, sweep_id)].count("settled") == 1
        assert store.results.integrity() == undisturbed.results.integrity() == []
