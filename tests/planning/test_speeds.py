"""Times and sizes of stacks, as measured and as modelled."""

import dataclasses

import pytest

from sweeper.planning.machine import Machine
from sweeper.planning.sizing import best_size, micro_batch, stack_cap
from sweeper.planning.speeds import Measurement, Speed, Speeds, shape_key
from tests.planning.test_stacking import config
from trainers.memory import stack_memory

HERE = Machine(cpus=2, device="here")
GPU = Machine(cpus=8, gpus=1, gpu_memory_bytes=80 * 2**30, device="gpu")


def speed(*known: Measurement, machine: Machine = HERE, scale: str = "nano") -> Speed:
    return Speeds(machine, known).of(config(scale))


def measured(size: int, step_s: float | None, **more: object) -> Measurement:
    plain = Measurement(device="here", shape=shape_key(config()), size=size, step_s=step_s)
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def step_s(known: Speed, size: int) -> float:
    """Of a step alone: a longer run has as many evaluations."""
    steps = known.config.steps
    longer = dataclasses.replace(known, config=dataclasses.replace(known.config, steps=10 * steps))
    return (longer.stack_s(size) - known.stack_s(size)) / (9 * steps)


def test_the_model_is_what_two_cores_showed_at_nano() -> None:
    assert step_s(speed(), 1) == pytest.approx(10.5e-3, rel=0.05)
    assert step_s(speed(), 16) / 16 == pytest.approx(7.6e-3, rel=0.05)
    assert not speed().is_measured


def test_a_measured_size_takes_what_was_measured_and_sizes_between_two_lie_between() -> None:
    known = speed(measured(4, 0.1, sequence_s=0.01), measured(16, 0.8, sequence_s=0.04))
    assert known.is_measured
    assert step_s(known, 4) == pytest.approx(0.1)
    assert step_s(known, 16) == pytest.approx(0.8)
    assert step_s(known, 32) == pytest.approx(0.8 * step_s(speed(), 32) / step_s(speed(), 16))
    model = step_s(speed(), 8)
    low, high = 0.1 / step_s(speed(), 4), 0.8 / step_s(speed(), 16)
    assert low * model < step_s(known, 8) < high * model


def test_evaluations_count_with_the_sequences_that_they_read() -> None:
    known = speed(measured(4, 0.1, sequence_s=0.01))
    evaluations = known.stack_s(4) - known.config.steps * 0.1
    assert evaluations == pytest.approx(11 * known.config.eval_sequences * 0.01)


def test_seconds_are_those_of_one_thread() -> None:
    assert step_s(speed(measured(4, 0.1, threads=3)), 4) == pytest.approx(0.3)


def test_what_another_device_took_counts_where_the_own_one_is_not_known() -> None:
    there = measured(4, 9.0, device="there")
    assert not speed(there).is_measured
    assert speed(there, machine=Machine(cpus=2)).is_measured


def test_a_shape_is_what_a_step_depends_on() -> None:
    plain = config()
    same = dataclasses.replace(plain, seed=3, steps=7, hyperparameters={"lr": 1.0})
    assert shape_key(same) == shape_key(plain)
    for changes in ({"optimizer": "soap"}, {"batch_size": 3}, {"precision": "bf16"}):
        assert shape_key(dataclasses.replace(plain, **changes)) != shape_key(plain)


def test_a_size_that_measures_badly_is_not_chosen() -> None:
    assert best_size(speed()) > 8
    slow = [measured(k, step_s(speed(), k) * (3 if k > 4 else 1)) for k in (1, 2, 4, 5, 16)]
    assert best_size(speed(*slow)) == 4


def test_a_stack_that_ran_out_of_memory_is_not_tried_again() -> None:
    assert stack_cap(speed(measured(12, None))) == 6
    assert stack_cap(speed(measured(12, None), measured(9, 0.1))) == 9
    assert stack_cap(speed(measured(1, None))) == 1


def on_gpu(size: int, step_s: float | None, micro: int | None = None) -> Measurement:
    shape = shape_key(config("35m"))
    return Measurement(device="gpu", shape=shape, size=size, step_s=step_s, micro_batch=micro)


def test_a_gpu_takes_as_many_trials_as_fit_with_their_whole_batch() -> None:
    known = speed(machine=GPU, scale="10m")
    cap = stack_cap(known)
    assert stack_memory(known.config, cap, on_cpu=False).total < GPU.gpu_memory_bytes
    assert stack_memory(known.config, 2 * cap, on_cpu=False).total > GPU.gpu_memory_bytes
    assert 1 <= best_size(known) <= cap
    assert micro_batch(known, cap) == known.config.batch_size


def test_a_single_trial_may_read_its_batch_in_parts() -> None:
    small = dataclasses.replace(GPU, gpu_memory_bytes=8 * 2**30)
    known = speed(machine=small, scale="35m")
    part = micro_batch(known, 1)
    assert stack_cap(known) == 1
    assert part is not None
    assert 0 < part < known.config.batch_size


def test_a_micro_batch_that_ran_is_taken_rather_than_the_model() -> None:
    known = Speeds(GPU, (on_gpu(2, 1.0, 8), on_gpu(4, 1.0, 4))).of(config("35m"))
    assert [micro_batch(known, size) for size in (1, 2, 3, 4)] == [8, 8, 4, 4]
