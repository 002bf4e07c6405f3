"""What a sweep would take, from its expansion and a machine alone."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from sweeper.planning.forecast import Forecast, forecast
from sweeper.planning.machine import Machine
from sweeper.planning.speeds import Measurement, Speeds, shape_key
from tests.test_expand import expanded
from trainers.memory import stack_memory

TWO_CORES = Machine(cpus=2, device="here")
GPU = Machine(cpus=8, gpus=2, gpu_memory_bytes=80 * 2**30, device="here")
VALUES = {"axis": {"parameter": "lr", "values": [1e-3 * n for n in range(1, 8)]}}


def of(machine: Machine = TWO_CORES, known: Sequence[Measurement] = (), **changes: Any) -> Forecast:
    expansion = expanded(**VALUES | changes)
    speeds = Speeds(machine, tuple(known))
    return forecast(expansion, expansion.trials, speeds, machine_known=True)


def took(optimizer: str, size: int, step_s: float) -> Measurement:
    config = expanded(**VALUES, optimizers=[optimizer]).trials[0].config
    return Measurement(device="here", shape=shape_key(config), size=size, step_s=step_s)


def test_stacks_hold_every_new_trial_and_their_hours_add_up() -> None:
    found = of(optimizers=["adamw", "sgd"], seeds=[0, 1])
    assert sum(kind.size * kind.count for kind in found.kinds) == 2 * 7 * 2
    seconds = sum(kind.seconds * kind.count for kind in found.kinds)
    assert found.device_hours == pytest.approx(seconds / 3600)
    assert found.device_hours / 2 <= found.wall_hours <= found.device_hours
    assert (found.unfit, found.source) == (0, "model")


def test_a_kind_tells_its_shape_and_its_memory() -> None:
    (kind,) = of(Machine(cpus=1), optimizers=["adamw"], scales=["nano"]).kinds
    config = expanded(**VALUES, optimizers=["adamw"]).trials[0].config
    assert (kind.optimizer, kind.scale, kind.precision) == ("adamw", "nano", "fp32")
    assert (kind.size, kind.count, kind.threads, kind.micro_batch) == (7, 1, 1, config.batch_size)
    assert kind.memory_bytes == stack_memory(config, 7).total


def test_times_come_from_where_there_are_any() -> None:
    known = [took("adamw", 7, 0.5)]
    both = of(Machine(cpus=1, device="here"), known, optimizers=["adamw", "sgd"])
    by_name = {kind.optimizer: kind for kind in both.kinds}
    assert both.source == "both"
    assert by_name["adamw"].measured
    assert not by_name["sgd"].measured
    steps = expanded(**VALUES).trials[0].config.steps
    assert by_name["adamw"].seconds == pytest.approx(0.5 * steps)
    assert of(TWO_CORES, known, optimizers=["adamw"]).source == "measured"


def test_gpus_share_the_stacks_and_what_does_not_fit_is_told() -> None:
    fits = of(GPU, optimizers=["adamw"], scales=["10m"])
    assert fits.wall_hours < fits.device_hours
    assert all(kind.threads == 1 for kind in fits.kinds)
    small = dataclasses.replace(GPU, gpu_memory_bytes=2**30)
    assert of(small, optimizers=["adamw"], scales=["1.2b"]).unfit == 7


def test_what_rounds_may_add_is_told_apart() -> None:
    expansion = expanded(**VALUES)
    found = forecast(expansion, expansion.trials, Speeds(TWO_CORES), machine_known=True, may_add=21)
    assert found.rounds_hours == pytest.approx(3 * found.device_hours)
    assert dataclasses.replace(found, rounds_hours=0) == of()


def test_nothing_new_takes_nothing() -> None:
    expansion = expanded(**VALUES)
    found = forecast(expansion, [], Speeds(TWO_CORES), machine_known=True)
    assert (found.kinds, found.device_hours, found.wall_hours) == ((), 0.0, 0.0)


def test_threads_shorten_a_stack_and_not_its_core_hours() -> None:
    one = of(Machine(cpus=1), optimizers=["adamw"], scales=["10m"])
    wide = of(Machine(cpus=14), optimizers=["adamw"], scales=["10m"])
    assert {kind.threads for kind in wide.kinds} == {2}
    assert wide.device_hours == pytest.approx(one.device_hours)
    assert wide.wall_hours == pytest.approx(one.wall_hours / 14)
