"""Trials that wait while the trainer changes."""

import pytest
from ray.tune.search import Searcher

from sweeper import trials
from sweeper.storage.records import TrialRecord
from sweeper.storage.store import Store
from tests.dispatch.bench import Bench, returned
from tests.storage import builders
from trainers.config import TRAINER_VERSION


def _first(store: Store, sweep_id: str) -> TrialRecord:
    return store.results.trial(builders.public_ids(store, sweep_id)[0])


@pytest.mark.parametrize("fresh", [False, True])
def test_they_fail_with_the_reason_also_when_they_are_retried(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    old = builders.submit(bench.store, fresh=fresh)
    monkeypatch.setattr(trials, "TRAINER_VERSION", TRAINER_VERSION + 1)
    for _ in range(2):
        assert bench.searcher.suggest("one") == Searcher.FINISHED
        assert builders.counts(bench.store, old.sweep_id) == {"failed": 3}
        trial = _first(bench.store, old.sweep_id)
        assert trial.failure == "outdated"
        assert "before a change of the trainer" in str(trial.failure_message)
        assert bench.store.sweeps.retry(old.sweep_id) == 3
    new = builders.submit(bench.store, fresh=fresh)
    assert (new.new, new.shared) == (3, 0)
    assert isinstance(bench.searcher.suggest("one"), dict)
    assert builders.counts(bench.store, old.sweep_id) == {"failed": 3}
    (running,) = bench.running.all()
    bench.store.queue.start(bench.epoch, running.claim, "tune", "here", 1)
    assert builders.counts(bench.store, new.sweep_id) == {"running": 3}


def test_an_interrupted_stack_fails_as_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    old = builders.submit(bench.store)
    assert isinstance(bench.searcher.suggest("one"), dict)
    returned(bench, "one")
    monkeypatch.setattr(trials, "TRAINER_VERSION", TRAINER_VERSION + 1)
    assert bench.searcher.suggest("two") == Searcher.FINISHED
    assert builders.counts(bench.store, old.sweep_id) == {"failed": 3}
    assert _first(bench.store, old.sweep_id).failure == "outdated"
    assert bench.running.all() == ()
