"""Processes die; what they were doing goes on, and ends as if nothing had happened."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.storage.store import Store, open_store
from tests.dispatch import tiny
from tests.dispatch.sockets import tree
from tests.dispatch.tiny import Dispatcher

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.timeout(240)]

STEPS = 300


def _submit(store: Store, home: Path, trials: int = 6) -> str:
    configs = [tiny.config(home, 0.004 * n, steps=STEPS) for n in range(1, trials + 1)]
    return tiny.submit(store, configs)


def _is_as_undisturbed(store: Store, home: Path, sweep_id: str) -> None:
    """Every trial has one result, equal to the bit, and nothing is left over."""
    records = tiny.trials(store, sweep_id)
    assert tiny.counts(store, sweep_id) == {"done": len(records)}
    assert [r.final_loss for r in records] == tiny.undisturbed(home, records)
    for record in records:
        metrics = store.results.metrics(record.id, ["train_loss"])
        assert list(metrics["step"]) == sorted(set(metrics["step"]))
        assert {1, STEPS} <= set(metrics["step"])
    assert store.results.integrity() == []
    done = [e for e in store.sweeps.events(sweep_id) if str(e.kind) == "trial_done"]
    assert len(done) == len(records)


def _can_go_on(store: Store, sweep_id: str) -> bool:
    """Whether two stacks run, and the database knows of a checkpoint after some step of both."""
    running = [a for a in tiny.attempts(store, sweep_id) if a.ended_at is None]
    known = [store.queue.checkpoints(a.stack_id)[:1] for a in running]
    return len(known) == 2 and all(names and not names[0].endswith("/0") for names in known)


def _kill_worker(store: Store, sweep_id: str, dispatcher: Dispatcher) -> None:
    running = [a for a in tiny.attempts(store, sweep_id) if a.ended_at is None]
    os.kill(running[0].pid, signal.SIGKILL)


def _kill_dispatcher(store: Store, sweep_id: str, dispatcher: Dispatcher) -> None:
    dispatcher.kill()


def _kill_both(store: Store, sweep_id: str, dispatcher: Dispatcher) -> None:
    _kill_worker(store, sweep_id, dispatcher)
    dispatcher.kill()


@pytest.mark.parametrize("kill", [_kill_worker, _kill_dispatcher, _kill_both])
def test_after_a_kill_exactly_the_missing_trials_go_on_from_their_checkpoints(
    sqlite_url: str, tmp_path: Path, kill: Callable[[Store, str, Dispatcher], None]
) -> None:
    with open_store(sqlite_url) as store:
        warm_up = [tiny.config(tmp_path, 0.5, steps=20, seed=seed) for seed in (0, 1)]
        done_before = tiny.submit(store, warm_up)  # Both workers are there after it.
        dispatcher = tiny.start(sqlite_url, tmp_path, failpoints=[tiny.slow(tmp_path)])
        tiny.eventually(lambda: tiny.is_done(store, done_before), "the first sweep is done")
        sweep_id = _submit(store, tmp_path)
        tiny.eventually(lambda: _can_go_on(store, sweep_id), "both stacks have checkpoints")
        kill(store, sweep_id, dispatcher)
        tiny.hurry(tmp_path)
        if dispatcher.process.poll() is not None:
            dispatcher = tiny.start(sqlite_url, tmp_path)
        tiny.eventually(lambda: tiny.is_done(store, sweep_id), "the sweep is done")
        assert dispatcher.stop() == 0
        _is_as_undisturbed(store, tmp_path, sweep_id)
        assert [len(r.attempts) for r in tiny.trials(store, done_before)] == [1, 1]
        again = [r for r in tiny.trials(store, sweep_id) if len(r.attempts) == 2]
        assert len(again) == (3 if kill is _kill_worker else 6)
        assert all(r.provenance["resumed_at"] > 0 for r in again)
        assert {r.attempts[0].failure for r in again} <= {"worker_lost", None}


def test_a_standby_takes_over_when_the_acting_dispatcher_is_killed_and_ends_with_its_parent(
    postgresql_url: str, tmp_path: Path
) -> None:
    with open_store(postgresql_url) as store:
        sweep_id = _submit(store, tmp_path, trials=2)
        first = tiny.start(postgresql_url, tmp_path, failpoints=[tiny.slow(tmp_path)])
        tiny.eventually(lambda: store.queue.dispatcher() is not None, "the first one acts")
        reading, writing = os.pipe()
        second = tiny.start(postgresql_url, tmp_path, parent_fd=reading)
        os.close(reading)
        tiny.eventually(lambda: second.has_logged("standing by"), "the second one stands by")
        tiny.eventually(lambda: tiny.has_checkpoints(tmp_path, 2), "there are checkpoints")
        first.kill()
        tiny.hurry(tmp_path)
        tiny.eventually(lambda: tiny.is_done(store, sweep_id), "the sweep is done")
        row = store.queue.dispatcher()
        assert row is not None
        assert (row.epoch, row.owner.pid) == (2, second.process.pid)
        os.close(writing)
        assert second.ended() == 0
        assert second.has_logged("the parent process has ended")
        _is_as_undisturbed(store, tmp_path, sweep_id)


def test_kills_after_a_claim_and_before_a_result_is_written_lose_nothing(
    sqlite_url: str, tmp_path: Path
) -> None:
    failpoints: list[dict[str, Any]] = [
        {"name": "after_claim", "action": "kill", "marker": str(tmp_path / "claimed")},
        {
            "name": "before_accept",
            "action": "kill",
            "marker": str(tmp_path / "unwritten"),
            "when": {"step": STEPS},
        },
    ]
    with open_store(sqlite_url) as store:
        sweep_id = _submit(store, tmp_path, trials=2)
        for failpoint in failpoints:
            dispatcher = tiny.start(sqlite_url, tmp_path, failpoints=[failpoint])
            assert dispatcher.ended() == -signal.SIGKILL
            assert Path(failpoint["marker"]).exists()
        assert tiny.counts(store, sweep_id).get("done", 0) < 2
        assert tiny.start(sqlite_url, tmp_path, idle_exit=True).ended() == 0
        _is_as_undisturbed(store, tmp_path, sweep_id)
        assert {a.failure for a in tiny.attempts(store, sweep_id)} == {None}


def test_a_drain_returns_what_runs_and_the_next_one_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    with open_store(sqlite_url) as store:
        sweep_id = _submit(store, tmp_path, trials=2)
        first = tiny.start(sqlite_url, tmp_path, failpoints=[tiny.slow(tmp_path)])
        tiny.eventually(lambda: tiny.has_checkpoints(tmp_path, 2), "there are checkpoints")
        assert first.stop() == 0
        ended = tiny.attempts(store, sweep_id)
        assert {a.end_reason for a in ended} == {"signal SIGTERM"}
        assert {a.failure for a in ended} == {None}
        assert tiny.counts(store, sweep_id) == {"pending": 2}
        assert tiny.start(sqlite_url, tmp_path, idle_exit=True).ended() == 0
        _is_as_undisturbed(store, tmp_path, sweep_id)
        assert all(r.provenance["resumed_at"] > 0 for r in tiny.trials(store, sweep_id))


def test_a_control_actor_that_dies_costs_no_stack_and_hears_of_a_pause_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    with open_store(sqlite_url) as store:
        sweep_id = _submit(store, tmp_path, trials=2)
        dispatcher = tiny.start(sqlite_url, tmp_path, failpoints=[tiny.slow(tmp_path)])
        tiny.eventually(lambda: len(tiny.attempts(store, sweep_id)) == 2, "both stacks run")
        killed = _named(dispatcher, "ray::Control")
        os.kill(killed, signal.SIGKILL)
        store.sweeps.pause(sweep_id)
        tiny.eventually(
            lambda: all(a.ended_at for a in tiny.attempts(store, sweep_id)), "both have returned"
        )
        assert {a.end_reason for a in tiny.attempts(store, sweep_id)} == {"paused"}
        assert _named(dispatcher, "ray::Control") != killed
        tiny.hurry(tmp_path)
        store.sweeps.resume(sweep_id)
        tiny.eventually(lambda: tiny.is_done(store, sweep_id), "the sweep is done")
        assert dispatcher.stop() == 0
        assert {a.failure for a in tiny.attempts(store, sweep_id)} == {None}
        _is_as_undisturbed(store, tmp_path, sweep_id)


def test_a_dispatcher_whose_cluster_dies_ends_and_the_next_one_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    with open_store(sqlite_url) as store:
        sweep_id = _submit(store, tmp_path, trials=2)
        dispatcher = tiny.start(sqlite_url, tmp_path, failpoints=[tiny.slow(tmp_path)])
        tiny.eventually(lambda: tiny.has_checkpoints(tmp_path, 2), "there are checkpoints")
        os.kill(_named(dispatcher, "raylet"), signal.SIGKILL)
        assert dispatcher.ended() == 1
        assert dispatcher.has_logged("Ray has had no CPU")
        assert tiny.start(sqlite_url, tmp_path, idle_exit=True).ended() == 0
        _is_as_undisturbed(store, tmp_path, sweep_id)


def _named(dispatcher: Dispatcher, name: str) -> int:
    """The process under a dispatcher whose program or title has this name."""
    titles = {pid: _program(pid) for pid in tree(dispatcher.process.pid)}
    return next(pid for pid, title in titles.items() if title.startswith(name))


def _program(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
    except OSError:  # It has ended meanwhile.
        return ""
    return Path(command).name if command.startswith("/") else command
