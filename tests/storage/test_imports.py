"""Imported sweeps on both databases: done, their own, and stored whole or not at all."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from sweeper.errors import Conflict, KeyReused, SweeperError
from sweeper.imports.form import parse
from sweeper.imports.plan import Imported, plan
from sweeper.storage.records import EventKind, IdempotentRequest
from sweeper.storage.store import Store
from sweeper.trials import SweepState
from tests.imports.rows import body
from tests.storage.builders import counts, submit

ROWS: list[dict[str, Any]] = [
    {"id": "a", "config": {"hyperparameters": {"lr": 0.008}, "steps": 10, "batch_size": 128}},
    {"id": "b", "value": 0.016, "seed": 1, "origin": "refine", "initial_loss": 11.0},
    {"value": 0.032, "outcome": "diverged", "final_loss": None, "diverged_at_step": 17},
]


@pytest.fixture
def imported() -> Imported:
    return plan(parse(body(*ROWS)))


def test_an_imported_sweep_is_done_and_says_where_it_is_from(
    store: Store, imported: Imported
) -> None:
    submission = store.sweeps.take_in(imported)
    sweep = store.sweeps.get(submission.sweep_id)
    assert (sweep.state, sweep.total, sweep.diverged) == (SweepState.DONE, 3, 1)
    assert (sweep.imported_from, sweep.axis_scale) == ("a file", "log")
    assert sweep.best is not None
    assert (sweep.best.value, sweep.best.loss) == (0.008, 3.5)
    points = store.results.points(submission.sweep_id)
    assert list(points["origin"]) == ["grid", "refine", "grid"]
    assert list(points["diverged_at_step"].fillna(-1)) == [-1, -1, 17]
    trial = store.results.trial(points["trial_id"][0])
    assert trial.provenance == {"imported_from": "a file", "source_id": "a"}
    assert (trial.attempts, trial.stack) == ((), None)
    assert store.results.integrity() == []
    assert store.queue.free_trials() == []
    (event,) = store.sweeps.events(submission.sweep_id)
    assert event.kind is EventKind.IMPORTED


def test_people_see_it_in_the_views(store_url: str, store: Store, imported: Imported) -> None:
    store.sweeps.take_in(imported)
    engine = create_engine(store_url)
    with engine.connect() as connection:
        results = connection.execute(text("SELECT * FROM v_result ORDER BY value")).all()
        curves = connection.execute(text("SELECT * FROM v_curve ORDER BY value")).all()
    engine.dispose()
    assert (results[0].lr, results[0].steps, results[0].batch_size) == (0.008, 10, 128)
    assert [(row.finite, row.diverged) for row in curves] == [(1, 0), (1, 0), (0, 1)]


def test_nothing_of_it_is_ever_shared(store: Store, imported: Imported) -> None:
    first, second = store.sweeps.take_in(imported), store.sweeps.take_in(imported)
    assert (first.new, second.new, second.shared) == (3, 3, 0)
    ids = {*store.results.points(first.sweep_id)["trial_id"]}
    assert ids.isdisjoint(store.results.points(second.sweep_id)["trial_id"])
    assert submit(store).new == 3


@pytest.mark.parametrize("verb", ["retry", "resume", "pause", "cancel"])
def test_nothing_of_it_can_be_trained_or_stopped(
    verb: str, store: Store, imported: Imported
) -> None:
    sweep_id = store.sweeps.take_in(imported).sweep_id
    with pytest.raises(Conflict, match="imported from a file"):
        getattr(store.sweeps, verb)(sweep_id)
    assert store.sweeps.get(sweep_id).state is SweepState.DONE
    assert len(store.sweeps.events(sweep_id)) == 1


def test_one_key_imports_once(store: Store, imported: Imported) -> None:
    request = IdempotentRequest(caller="", key="mine", body_sha256="1")
    first = store.sweeps.take_in(imported, request)
    assert store.sweeps.take_in(imported, request) == replace(first, replayed=True)
    with pytest.raises(KeyReused):
        store.sweeps.take_in(imported, replace(request, body_sha256="2"))
    assert len(store.sweeps.list().items) == 1


def test_what_the_database_refuses_leaves_nothing_behind(store: Store, imported: Imported) -> None:
    """The last statement of the points fails: its variant and value are there already."""
    twice = replace(imported, points=(*imported.points, imported.points[0]))
    with pytest.raises((DBAPIError, SweeperError)):
        store.sweeps.take_in(twice)
    assert store.sweeps.list().items == ()
    sweep_id = store.sweeps.take_in(imported).sweep_id
    assert counts(store, sweep_id) == {"done": 3}
    assert store.results.integrity() == []
