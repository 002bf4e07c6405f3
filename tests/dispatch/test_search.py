"""A search with a real dispatcher that is killed on the way, and a sweep through what it found."""

import signal
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import Conflict
from sweeper.service import Service
from sweeper.storage.store import Store, open_store
from tests.dispatch import tiny

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.timeout(400)]

SEARCH: dict[str, Any] = {
    "name": "centre",
    "search": {
        "over": {"lr": {"low": 1e-4, "high": 1e5}, "momentum": {"low": 0, "high": 0.99}},
        "trials": 8,
        "at_once": 3,
    },
    "optimizers": ["adamw", "sgd"],
    "base": {"steps": 10, "eval_sequences": 8},
}


def _points(store: Store, sweep_id: str) -> list[tuple[Any, ...]]:
    frame = store.results.points(sweep_id)
    columns = ["variant", "value", "origin", "outcome", "hyperparameters"]
    return list(frame[columns].itertuples(index=False, name=None))


def test_a_search_survives_kills_and_sweeps_go_through_it(
    sqlite_url: str, postgresql_url: str, tmp_path: Path
) -> None:
    with open_store(sqlite_url) as store, open_store(postgresql_url) as undisturbed:
        service = Service(store, tiny.datasets(tmp_path))
        assert service.preview(SEARCH).points == 2 * 8
        sweep_id = service.submit(SEARCH).sweep_id
        for name in ("before_round", "after_round"):
            failpoint = {"name": name, "action": "kill", "marker": str(tmp_path / name)}
            dispatcher = tiny.start(sqlite_url, tmp_path, failpoints=[failpoint])
            assert dispatcher.ended() == -signal.SIGKILL
            assert str(store.sweeps.get(sweep_id).state) == "running"
        assert tiny.start(sqlite_url, tmp_path, idle_exit=True).ended() == 0
        other = Service(undisturbed, tiny.datasets(tmp_path)).submit(SEARCH).sweep_id
        assert tiny.start(postgresql_url, tmp_path, idle_exit=True).ended() == 0
        points = _points(store, sweep_id)
        assert points == _points(undisturbed, other)
        assert [point[:3] for point in points] == [
            (variant, float(number), "search") for variant in (0, 1) for number in range(8)
        ]
        assert {point[3] for point in points} == {"finite", "diverged"}
        assert str(store.sweeps.get(sweep_id).state) == "done"
        _sweep_through(service, sweep_id)


def _sweep_through(service: Service, sweep_id: str) -> None:
    found = service.searched(sweep_id)
    assert [each.optimizer for each in found] == ["adamw", "sgd"]
    best = {each.optimizer: each.best for each in found}
    assert all(each is not None for each in best.values())
    through = {
        "name": "through the centre",
        "axis": {"parameter": "lr", "multiples": [0.1, 1]},
        "optimizers": ["adamw", {"name": "sgd", "momentum": 0.5}],
        "base": SEARCH["base"],
        "centre": sweep_id,
    }
    stored = service.sweep(service.submit(through).sweep_id).spec["optimizers"]
    adamw, sgd = best["adamw"], best["sgd"]
    assert adamw is not None
    assert sgd is not None
    assert stored[0] == {"name": "adamw", **adamw.values}
    assert stored[1] == {"name": "sgd", "lr": sgd.values["lr"], "momentum": 0.5}
    with pytest.raises(Conflict, match="asks for its candidates itself"):
        service.extend(sweep_id, {"seeds": [7]})
