"""The searcher's rules, on a real store and without Ray."""

import json
import pickle
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from ray.tune.search import Searcher

from sweeper.dispatch.announcer import Announcer
from sweeper.dispatch.lost import return_lost
from sweeper.dispatch.messages import Progress, Report, work_from_json
from sweeper.dispatch.searcher import StackSearcher
from sweeper.dispatch.writer import Ended, Said
from sweeper.failures import Failure, FailureKind
from sweeper.planning.speeds import Measurement, shape_key
from sweeper.storage import engine
from sweeper.storage.store import Store, open_store
from tests.dispatch.bench import HERE, Bench, returned
from tests.storage import builders


def _report(bench: Bench, tune_trial_id: str, progress: Progress) -> Report:
    running = bench.running.get(tune_trial_id)
    assert running is not None
    return Report(
        stack_id=running.claim.stack_id,
        attempt=running.claim.attempt,
        progress=progress,
        step=0,
        steps=10,
        host="here",
        pid=1,
    )


def test_it_claims_what_fits_and_nothing_more(bench: Bench) -> None:
    builders.submit(bench.store, builders.expansion(seeds=range(10)))
    config = bench.searcher.suggest("one")
    assert isinstance(config, dict)
    work = work_from_json(config["spec"])
    assert (work.stack_id, work.attempt, len(work.configs)) == (config["stack_id"], 1, 10)
    assert bench.searcher.suggest("two") is None
    assert [r.claim.stack_id for r in bench.running.all()] == [config["stack_id"]]


def test_what_a_round_adds_is_claimed_at_once(bench: Bench) -> None:
    bench.more = [0.7]
    config = bench.searcher.suggest("one")
    assert isinstance(config, dict)
    assert len(work_from_json(config["spec"]).configs) == 1
    # There is no room now, and it has just been looked at.
    looks = bench.advanced
    assert bench.searcher.suggest("two") is None
    assert bench.advanced == looks


def test_it_plans_with_what_is_remembered(bench: Bench) -> None:
    builders.submit(bench.store, builders.expansion(seeds=range(10)))
    shape = shape_key(builders.config(0.1))
    bench.store.queue.note_speed(Measurement(device=HERE.device, shape=shape, size=8))
    bench.store.queue.note_speed(
        Measurement(device=HERE.device, shape=shape, size=3, step_s=60.0, sequence_s=0.0)
    )
    config = bench.searcher.suggest("one")
    assert isinstance(config, dict)
    (running,) = bench.running.all()
    assert len(running.claim.members) == 4
    assert running.cost_s > 10 * 60.0


@pytest.mark.parametrize(("gpus", "micro_batch"), [(0, None), (1, 2)])
def test_a_gpu_goes_on_with_the_micro_batch_that_ran(
    bench: Bench, gpus: int, micro_batch: int | None
) -> None:
    builders.submit(bench.store)
    shape = shape_key(builders.config(0.1))
    known = Measurement(device=HERE.device, shape=shape, size=3, step_s=0.1, micro_batch=2)
    bench.store.queue.note_speed(known)
    there_is = replace(HERE, gpus=gpus, gpu_memory_bytes=2**34)
    searcher = StackSearcher(replace(bench.supply, capacity=lambda: there_is))
    config = searcher.suggest("one")
    assert isinstance(config, dict)
    work = work_from_json(config["spec"])
    assert (len(work.configs), work.device) == (3, "cuda" if gpus else "cpu")
    assert work.micro_batch == micro_batch


def test_readers_are_told_the_machine_when_it_changes(bench: Bench) -> None:
    there_is = [HERE, HERE, replace(HERE, cpus=5)]
    announcer = Announcer(bench.store.queue, bench.epoch, lambda: there_is.pop(0))
    announcer.look()
    assert bench.store.queue.machine() == HERE.machine()
    announcer.look()
    announcer.look()
    assert bench.store.queue.machine() == replace(HERE, cpus=5).machine()


def test_a_locked_database_is_told_the_machine_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SQLITE_PRAGMAS", ("busy_timeout=10",))
    with open_store(bench.store.url) as impatient:
        announcer = Announcer(impatient.queue, bench.epoch, lambda: HERE)
        path = bench.store.url.removeprefix("sqlite:///")
        # The same library: locks of another copy of it in this process are not seen.
        with closing(engine.sqlite_module().connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            announcer.look()
            other.execute("ROLLBACK")
        assert impatient.queue.machine() is None
        announcer.look()
        assert impatient.queue.machine() == HERE.machine()


def test_interrupted_stacks_come_first_as_they_were(bench: Bench) -> None:
    first = builders.submit(bench.store)
    config = bench.searcher.suggest("one")
    assert isinstance(config, dict)
    returned(bench, "one")
    builders.submit(bench.store, builders.expansion(seeds=(7,)), priority=9)
    again = bench.searcher.suggest("two")
    assert isinstance(again, dict)
    assert (again["stack_id"], again["attempt"]) == (config["stack_id"], 2)
    assert builders.counts(bench.store, first.sweep_id) == {"pending": 3}


def test_a_stack_with_more_threads_than_there_are_cpus_asks_for_no_more_than_there_are(
    bench: Bench,
) -> None:
    builders.submit(bench.store)
    free = [trial.id for trial in bench.store.queue.free_trials()]
    claim = bench.store.queue.claim_new(bench.epoch, free, 4)
    assert claim is not None
    assert bench.store.queue.give_back(*builders.key(claim), "moved to a smaller machine")
    there_is = replace(HERE, cpus=2, threads=2)
    config = StackSearcher(replace(bench.supply, capacity=lambda: there_is)).suggest("one")
    assert isinstance(config, dict)
    assert (config["cpus"], work_from_json(config["spec"]).threads) == (2, 4)


def test_stopping_finishes_at_once_and_before_any_claim(bench: Bench) -> None:
    builders.submit(bench.store)
    bench.stop.drain("test")
    assert bench.searcher.suggest("one") == Searcher.FINISHED
    assert bench.running.all() == ()


def test_nothing_left_to_do_finishes_when_asked_to_exit_idle(bench: Bench) -> None:
    assert bench.searcher.suggest("one") == Searcher.FINISHED
    assert bench.searcher.was_idle


def test_a_tuner_that_has_grown_finishes_when_nothing_runs(bench: Bench) -> None:
    builders.submit(bench.store)
    searcher = StackSearcher(bench.supply, max_trials=1)
    assert isinstance(searcher.suggest("one"), dict)
    assert searcher.suggest("two") is None
    bench.running.end("one")
    assert searcher.suggest("three") == Searcher.FINISHED


def test_a_tuner_that_has_been_idle_finishes_so_that_its_workers_end(bench: Bench) -> None:
    builders.submit(bench.store)
    supply = replace(bench.supply, idle_exit=False)
    searcher = StackSearcher(supply, idle_limit_s=0.0)
    assert isinstance(searcher.suggest("one"), dict)
    bench.running.end("one")
    assert searcher.suggest("two") == Searcher.FINISHED
    assert not searcher.was_idle


def test_a_fenced_dispatcher_claims_nothing_and_stops(bench: Bench) -> None:
    builders.submit(bench.store)
    builders.take_over(bench.store)
    assert bench.searcher.suggest("one") == Searcher.FINISHED
    assert bench.stop.is_fenced


def test_a_broken_database_is_nothing_pending(sqlite_store: Store, tmp_path: Path) -> None:
    bench = Bench(sqlite_store, tmp_path, 2, idle_exit=True)
    builders.submit(bench.store, builders.expansion(seeds=range(10)))
    assert isinstance(bench.searcher.suggest("one"), dict)
    bench.store.close()
    for path in tmp_path.glob("sweeper.db*"):
        path.write_bytes(b"no database at all" * 1000)
    assert bench.searcher.suggest("two") is None
    assert not bench.stop.is_set()
    bench.writer.close()


def test_completing_twice_and_pickling_are_harmless(bench: Bench) -> None:
    builders.submit(bench.store)
    bench.searcher.suggest("one")
    bench.searcher.on_trial_complete("one", result=None, error=True)
    bench.searcher.on_trial_complete("one", result=None, error=True)
    pickle.dumps(bench.searcher)


def test_a_failure_reaches_the_database_with_its_words(bench: Bench) -> None:
    sweep = builders.submit(bench.store, builders.expansion(values=(0.1,)))
    bench.searcher.suggest("one")
    started = _report(bench, "one", Progress.STARTED)
    running = bench.running.heard("one", started)
    assert running is not None
    bench.writer.put(Said(running.claim, "one", started))
    failure = Failure(kind=FailureKind.USER_ERROR, message="it broke", log_tail="last words")
    bench.writer.put(Ended(running.claim, failure))
    while not bench.writer.is_idle():
        time.sleep(0.01)
    assert builders.counts(bench.store, sweep.sweep_id) == {"failed": 1}
    record = bench.store.results.trial(builders.public_ids(bench.store, sweep.sweep_id)[0])
    assert (record.failure, record.attempts[0].log_tail) == ("user_error", "last words")
    assert record.attempts[0].tune_trial_id == "one"


def test_a_stack_whose_claim_was_not_heard_of_goes_back(bench: Bench) -> None:
    builders.submit(bench.store, builders.expansion(values=(0.5,)))
    lost = builders.claim_all(bench.store, bench.epoch)  # As if the answer had been lost.
    builders.submit(bench.store)
    assert isinstance(bench.searcher.suggest("one"), dict)
    return_lost(bench.store.queue, bench.epoch, bench.running, bench.writer)
    (mine,) = bench.running.all()
    known = {row.stack_id for row in bench.store.queue.control(bench.epoch)}
    assert known == {mine.claim.stack_id}
    again = bench.store.queue.claim_interrupted(bench.epoch)
    assert again is not None
    assert (again.stack_id, again.attempt) == (lost.stack_id, 2)
    assert bench.store.results.integrity() == []


def test_a_trial_that_cannot_be_planned_fails_and_the_rest_goes_on(bench: Bench) -> None:
    bad = builders.submit(bench.store, builders.expansion(optimizers=("sgd",)), priority=9)
    good = builders.submit(bench.store)
    _spoil(bench.store, "sgd")
    config = bench.searcher.suggest("one")
    assert isinstance(config, dict)
    assert len(work_from_json(config["spec"]).configs) == len(builders.VALUES)
    assert bench.store.queue.free_trials() == []
    assert builders.counts(bench.store, good.sweep_id) == {"pending": 3}  # Claimed, not started.
    assert builders.counts(bench.store, bad.sweep_id) == {"failed": 3}
    trial = bench.store.results.trial(builders.public_ids(bench.store, bad.sweep_id)[0])
    assert trial.failure == "infeasible"
    assert "it cannot be planned: " in str(trial.failure_message)


def test_an_interrupted_stack_that_cannot_be_read_fails_and_is_not_left_running(
    bench: Bench,
) -> None:
    bad = builders.submit(bench.store, builders.expansion(values=[0.1], optimizers=("sgd",)))
    claim = builders.claim_all(bench.store, bench.epoch)
    assert bench.store.queue.give_back(bench.epoch, claim.stack_id, claim.attempt, "a test")
    _spoil_all(bench.store)
    assert bench.searcher.suggest("one") == Searcher.FINISHED
    assert builders.counts(bench.store, bad.sweep_id) == {"failed": 1}


def _spoil_all(store: Store) -> None:
    with closing(sqlite3.connect(store.url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE trial SET config = '{}'")


def _spoil(store: Store, optimizer: str) -> None:
    """Store configurations that this version cannot read, as another version might have."""
    rows = [t for t in store.queue.free_trials() if t.config["optimizer"] == optimizer]
    with closing(sqlite3.connect(store.url.removeprefix("sqlite:///"))) as connection, connection:
        for row in rows:
            text = json.dumps({k: v for k, v in row.config.items() if k != "model"})
            connection.execute("UPDATE trial SET config = ? WHERE id = ?", (text, row.id))
