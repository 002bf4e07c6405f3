"""One dispatcher, on a real Ray cluster, and what users and bad members do to it."""

import os
import signal
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from sweeper.dispatch.devices import cpu_name
from sweeper.planning.speeds import shape_key
from tests.datasets.builders import jsonl, plan, prepared, texts
from tests.dispatch import tiny
from tests.dispatch.service import (
    BAD_SEED,
    CANCELLED_SEED,
    HANGING_SEED,
    PAUSED_SEEDS,
    WARM_SEEDS,
    Running,
)
from tests.dispatch.sockets import listening
from trainers.config import TRAINER_VERSION
from trainers.data import dataset
from trainers.metrics import SPEEDS

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


def test_rows_become_results_with_their_metrics_and_provenance(service: Running) -> None:
    configs = [tiny.config(service.home, 0.01 * n, steps=60) for n in range(1, 4)]
    sweep_id = tiny.submit(service.store, configs)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    records = tiny.trials(service.store, sweep_id)
    assert [r.final_loss for r in records] == tiny.undisturbed(service.home, records)
    assert [len(r.attempts) for r in records] == [1, 1, 1]
    metrics = service.store.results.metrics(records[0].id)
    assert set(metrics["key"]) == {
        *SPEEDS,
        "train_loss",
        "validation_loss",
        "grad_norm",
        "lr",
        "effective_lr",
    }
    assert {1, 60} <= set(metrics["step"])
    attempt = records[0].attempts[0]
    assert attempt.tune_trial_id
    assert (attempt.host, attempt.pid) == (
        records[0].provenance["host"],
        records[0].provenance["pid"],
    )
    for record in records:
        found, data, stack = record.provenance, record.config["data"]["sha256"], record.stack
        assert stack is not None
        assert stack.members[stack.slot] == record.id
        assert (found["slot"], found["stack_size"]) == (stack.slot, len(stack.members))
        assert found["threads"] == stack.threads == 1
        assert (found["seed"], found["data_sha256"]) == (record.config["seed"], data)
        assert found["trainer"] == TRAINER_VERSION
        assert found["packages"]["torch"] == version("torch")
        assert (found["device"], found["resumed_at"]) == ("cpu", 0)
    assert service.store.results.integrity() == []


def test_the_machine_and_the_pace_of_its_stacks_are_remembered(service: Running) -> None:
    configs = [tiny.config(service.home, 0.01 * n, steps=60, seed=50) for n in range(1, 4)]
    sweep_id = tiny.submit(service.store, configs)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    sizes = {r.provenance["stack_size"] for r in tiny.trials(service.store, sweep_id)}
    machine = service.store.queue.machine()
    assert machine is not None
    assert (machine.gpus, machine.device) == (0, cpu_name())
    found = service.store.queue.speeds([shape_key(configs[0])])
    assert {m.size for m in found} >= sizes
    for measurement in found:
        assert measurement.device == machine.device
        assert measurement.step_s is not None
        assert measurement.sequence_s >= 0


def test_ray_listens_on_loopback_only_and_keeps_its_token_to_itself(service: Running) -> None:
    tiny.eventually(lambda: len(listening(service.pid)) >= 3, "Ray listens")
    foreign = {address for address in listening(service.pid) if not address.is_loopback}
    assert foreign == set()
    assert not (Path.home() / ".ray" / "auth_token").exists()


def test_both_workers_stay_for_the_next_sweep(service: Running) -> None:
    first, second = (_pids_of_two_stacks(service, seeds) for seeds in WARM_SEEDS[:2])
    assert first == second


@pytest.mark.fault
def test_a_worker_that_dies_while_it_is_free_costs_no_trial(service: Running) -> None:
    free = _pids_of_two_stacks(service, WARM_SEEDS[2])
    for pid in free:
        os.kill(pid, signal.SIGKILL)
    configs = [tiny.config(service.home, 0.01, steps=60, seed=seed) for seed in (40, 41)]
    sweep_id = tiny.submit(service.store, configs)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    assert tiny.counts(service.store, sweep_id) == {"done": 2}
    records = tiny.trials(service.store, sweep_id)
    assert {a.failure for r in records for a in r.attempts} <= {"worker_lost", None}
    assert service.store.results.integrity() == []


def _pids_of_two_stacks(service: Running, seeds: tuple[int, int]) -> set[int]:
    """The workers of a sweep of two stacks that run side by side."""
    configs = [tiny.config(service.home, 0.01, steps=300, seed=seed) for seed in seeds]
    sweep_id = tiny.submit(service.store, configs)

    def pids() -> set[int]:
        found = {attempt.pid for attempt in tiny.attempts(service.store, sweep_id)}
        return found if len(found) == 2 and all(found) else set()

    both: set[int] = tiny.eventually(pids, "both stacks run")
    for seed in seeds:
        tiny.hurry(service.home, seed)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    return both


def test_a_diverging_member_ends_early_and_leaves_the_others_alone(service: Running) -> None:
    lrs = (0.01, 0.02, 0.03, 1e30)
    configs = [tiny.config(service.home, lr, steps=80, seed=1) for lr in lrs]
    sweep_id = tiny.submit(service.store, configs)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    records = tiny.trials(service.store, sweep_id)
    assert [str(r.outcome) for r in records] == ["finite", "finite", "finite", "diverged"]
    assert records[3].final_loss is None
    assert records[3].diverged_at_step is not None
    assert [r.final_loss for r in records] == tiny.undisturbed(service.home, records)


def test_a_cancelled_sweep_stops_and_frees_its_place(service: Running) -> None:
    configs = [tiny.config(service.home, 0.01 * n, steps=60_000, seed=2) for n in range(1, 4)]
    sweep_id = tiny.submit(service.store, configs)
    tiny.eventually(lambda: tiny.attempts(service.store, sweep_id), "it runs")
    service.store.sweeps.cancel(sweep_id)
    tiny.eventually(
        lambda: all(a.ended_at for a in tiny.attempts(service.store, sweep_id)), "it has stopped"
    )
    assert tiny.counts(service.store, sweep_id) == {"cancelled": 3}
    assert service.store.results.integrity() == []


def test_a_member_that_another_sweep_wants_goes_on_when_its_neighbour_is_cancelled(
    service: Running,
) -> None:
    configs = [
        tiny.config(service.home, 0.01 * n, steps=300, seed=CANCELLED_SEED) for n in range(1, 5)
    ]
    all_of_them = tiny.submit(service.store, configs, "all")
    some = tiny.submit(service.store, configs[::2], "some")
    tiny.eventually(lambda: len(tiny.attempts(service.store, all_of_them)) == 2, "both run")
    service.store.sweeps.cancel(all_of_them)
    tiny.hurry(service.home, CANCELLED_SEED)
    tiny.eventually(lambda: tiny.is_done(service.store, some), "the others are done")
    kept = tiny.trials(service.store, some)
    assert tiny.counts(service.store, some) == {"done": 2}
    everything = tiny.trials(service.store, all_of_them)
    alone = tiny.undisturbed(service.home, everything)
    assert [r.final_loss for r in kept] == alone[::2]
    assert [str(r.state) for r in everything] == ["done", "cancelled", "done", "cancelled"]


def test_a_paused_sweep_goes_on_from_where_it_was(service: Running) -> None:
    sweep_id = _paused(service, PAUSED_SEEDS[0])
    service.store.sweeps.resume(sweep_id)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    records = tiny.trials(service.store, sweep_id)
    assert [len(r.attempts) for r in records] == [2]
    assert [a.end_reason for a in records[0].attempts] == ["paused", "finished"]
    assert records[0].provenance["resumed_at"] > 0
    assert [r.final_loss for r in records] == tiny.undisturbed(service.home, records)


@pytest.mark.fault
@pytest.mark.parametrize("damaged", [1, 2])
def test_a_corrupt_checkpoint_costs_no_more_than_itself(service: Running, damaged: int) -> None:
    sweep_id = _paused(service, PAUSED_SEEDS[damaged])
    stack_id = tiny.trials(service.store, sweep_id)[0].attempts[0].stack_id
    attempt = service.home / "checkpoints" / str(stack_id) / "1"
    steps = sorted((int(p.name) for p in attempt.iterdir() if p.name.isdigit()), reverse=True)
    assert len(steps) == 2
    for step in steps[:damaged]:
        tensors = next((attempt / str(step)).glob("*.safetensors"))
        tensors.write_bytes(tensors.read_bytes()[:-10])
    service.store.sweeps.resume(sweep_id)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    record = tiny.trials(service.store, sweep_id)[0]
    assert [a.failure for a in record.attempts] == [None, *["checkpoint_corrupt"] * damaged, None]
    assert record.provenance["resumed_at"] == [*steps, 0][damaged]
    assert [record.final_loss] == tiny.undisturbed(service.home, [record])
    kinds = [str(e.kind) for e in service.store.sweeps.events(sweep_id)]
    assert kinds.count("returned") == 1 + damaged


def _paused(service: Running, seed: int) -> str:
    """A sweep of one trial, paused with two checkpoints behind it."""
    sweep_id = tiny.submit(service.store, [tiny.config(service.home, 0.01, steps=300, seed=seed)])
    attempt = tiny.eventually(lambda: tiny.attempts(service.store, sweep_id), "it runs")[0]
    folder = service.home / "checkpoints" / str(attempt.stack_id) / "1"
    tiny.eventually(
        lambda: len([p for p in folder.glob("*") if p.name.isdigit()]) == 2, "it has checkpoints"
    )
    service.store.sweeps.pause(sweep_id)
    tiny.eventually(
        lambda: tiny.attempts(service.store, sweep_id)[0].ended_at is not None, "it is paused"
    )
    tiny.hurry(service.home, seed)
    assert tiny.counts(service.store, sweep_id) == {"pending": 1}
    return sweep_id


@pytest.mark.fault
def test_an_error_of_one_member_is_charged_to_it_alone(service: Running) -> None:
    seeds = (10, 11, 12, BAD_SEED, 14, 15)
    configs = [tiny.config(service.home, 0.01, steps=800, seed=seed) for seed in seeds]
    sweep_id = tiny.submit(service.store, configs)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    records = tiny.trials(service.store, sweep_id)
    guilty = seeds.index(BAD_SEED)
    assert [n for n, r in enumerate(records) if str(r.state) == "failed"] == [guilty]
    assert records[guilty].failure == "user_error"
    assert "a failpoint raised" in str(records[guilty].attempts[-1].traceback)
    assert (service.home / "raised").exists()
    assert tiny.counts(service.store, sweep_id) == {"done": 5, "failed": 1}
    assert records[guilty + 1].provenance["resumed_at"] > 0


@pytest.mark.fault
def test_a_hung_worker_is_ended_and_its_stack_goes_on(service: Running) -> None:
    sweep_id = tiny.submit(
        service.store, [tiny.config(service.home, 0.01, steps=60, seed=HANGING_SEED)]
    )
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    record = tiny.trials(service.store, sweep_id)[0]
    assert (service.home / "hung").exists()
    assert [a.failure for a in record.attempts] == ["hung", None]
    assert "failpoints.py" in str(record.attempts[0].traceback)
    assert [record.final_loss] == tiny.undisturbed(service.home, [record])


def test_a_data_set_that_was_damaged_after_the_submission_fails_its_trials_at_once(
    service: Running,
) -> None:
    folder = tiny.datasets(service.home)
    prepared(folder, plan("words", [jsonl(service.home / "words.jsonl", texts(300))]))
    data = dataset(folder, "words")
    (folder / "words" / "train-00002.bin").unlink()
    configs = [replace(tiny.config(service.home, lr, steps=50), data=data) for lr in (0.01, 0.02)]
    sweep_id = tiny.submit(service.store, configs)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    for record in tiny.trials(service.store, sweep_id):
        assert [attempt.failure for attempt in record.attempts] == ["data_corrupt"]
        assert "'train-00002.bin' of data set 'words' is missing" in str(record.failure_message)
