import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.planning.machine import Machine
from sweeper.planning.sizing import best_size, stack_cap
from sweeper.planning.speeds import Speeds
from sweeper.planning.stacking import PlannedStack, plan
from trainers.config import DataConfig, TrainConfig, to_dict
from trainers.scales import SCALES

DATA = DataConfig(name="none", sha256="0" * 64, vocabulary=256)


def config(scale: str = "nano", steps: int = 300) -> TrainConfig:
    size = SCALES[scale]
    return TrainConfig(
        optimizer="sgd",
        model=size.model(256),
        data=DATA,
        steps=steps,
        batch_size=size.batch_size,
        hyperparameters={},
    )


@dataclass(frozen=True)
class Free:
    id: int
    stack_key: str
    config: Mapping[str, Any]
    demand: int = 0


def group(key: str, ids: range, demand: int = 0, scale: str = "nano") -> list[Free]:
    plain = to_dict(config(scale))
    return [Free(id=i, stack_key=key, config=plain, demand=demand) for i in ids]


def finish_times(stacks: tuple[PlannedStack, ...], slots: int) -> list[float]:
    ends = [0.0] * slots
    for stack in stacks:
        ends[ends.index(min(ends))] += stack.cost_s
    return ends


@st.composite
def waiting(draw: st.DrawFn) -> list[Free]:
    kinds = st.tuples(st.sampled_from(["nano", "micro", "10m"]), st.integers(0, 2))
    chosen = draw(st.lists(st.tuples(kinds, st.integers(-1, 1)), max_size=60))
    plain = {scale: to_dict(config(scale)) for scale in ("nano", "micro", "10m")}
    return [
        Free(id=i, stack_key=f"{scale}-{n}", config=plain[scale], demand=demand)
        for i, ((scale, n), demand) in enumerate(chosen)
    ]


machines = st.builds(
    Machine,
    cpus=st.integers(1, 9),
    running=st.lists(st.floats(0, 500), max_size=10).map(tuple),
)


@given(waiting(), machines)
def test_a_plan_takes_every_trial_once_in_stacks_of_one_key_and_demand(
    free: list[Free], machine: Machine
) -> None:
    stacks = plan(free, machine)
    taken = [i for stack in stacks for i in stack.trial_ids]
    assert sorted(taken) == [trial.id for trial in free]
    by_id = {trial.id: trial for trial in free}
    for stack in stacks:
        members = [by_id[i] for i in stack.trial_ids]
        assert {(m.stack_key, m.demand) for m in members} == {(stack.stack_key, stack.demand)}


@given(waiting(), machines)
def test_a_plan_keeps_caps_and_the_order_of_demand_and_is_deterministic(
    free: list[Free], machine: Machine
) -> None:
    stacks = plan(free, machine)
    assert [s.demand for s in stacks] == sorted((s.demand for s in stacks), reverse=True)
    caps = {s: stack_cap(Speeds(machine).of(config(s))) for s in ("nano", "micro", "10m")}
    assert all(1 <= s.size <= caps[s.stack_key.split("-")[0]] for s in stacks)
    assert all(1 <= s.threads <= machine.cpus for s in stacks)
    assert stacks == plan(list(reversed(free)), machine)


@given(st.integers(1, 40), st.integers(1, 8))
def test_no_slot_is_idle_while_a_stack_could_be_split(trials: int, cpus: int) -> None:
    stacks = plan(group("a", range(trials)), Machine(cpus=cpus))
    assert len(stacks) >= min(trials, cpus)


@given(waiting(), machines)
def test_splitting_the_tail_never_ends_later_than_whole_stacks(
    free: list[Free], machine: Machine
) -> None:
    level = [dataclasses.replace(trial, demand=0) for trial in free]
    split = plan(level, Machine(cpus=machine.cpus))
    sizes = {s: best_size(Speeds(machine).of(config(s))) for s in ("nano", "micro", "10m")}
    whole = _whole_stacks(level, sizes)
    assert max(finish_times(split, machine.cpus)) <= max(finish_times(whole, machine.cpus)) + 1e-6


def _whole_stacks(level: list[Free], caps: dict[str, int]) -> tuple[PlannedStack, ...]:
    sizes: dict[str, int] = {}
    for trial in level:
        sizes[trial.stack_key] = sizes.get(trial.stack_key, 0) + 1
    stacks = []
    for key, count in sizes.items():
        scale = key.split("-")[0]
        parts = -(-count // caps[scale])
        edges = [count * i // parts for i in range(parts + 1)]
        for low, high in pairwise(edges):
            cost = Speeds(Machine(cpus=1)).of(config(scale)).stack_s(high - low)
            ids = tuple(range(low, high))
            stacks.append(
                PlannedStack(trial_ids=ids, stack_key=key, demand=0, threads=1, cost_s=cost)
            )
    return tuple(sorted(stacks, key=lambda stack: -stack.cost_s))


def test_five_groups_of_seven_end_together_on_two_cores() -> None:
    free = [t for n in range(5) for t in group(f"k{n}", range(7 * n, 7 * n + 7))]
    stacks = plan(free, Machine(cpus=2))
    ends = finish_times(stacks, 2)
    assert max(ends) <= 1.06 * sum(ends) / 2
    assert [s.size for s in stacks[:4]] == [7, 7, 7, 7]


def test_the_longest_starts_first_within_one_demand() -> None:
    free = group("small", range(4)) + group("large", range(4, 8), scale="micro")
    assert plan(free, Machine(cpus=1))[0].stack_key == "large"


def test_a_higher_demand_starts_before_a_longer_stack() -> None:
    free = group("large", range(4), scale="micro") + group("small", range(4, 8), demand=3)
    assert plan(free, Machine(cpus=1))[0].stack_key == "small"


def test_wide_models_train_alone_and_narrow_ones_together() -> None:
    machine = Machine(cpus=2)
    caps = [
        stack_cap(Speeds(machine).of(config(scale))) for scale in ("nano", "micro", "10m", "35m")
    ]
    assert caps == [16, 4, 1, 1]


def test_spare_cores_become_threads_only_where_a_step_is_large() -> None:
    small = plan(group("a", range(2)), Machine(cpus=8))
    large = plan(group("b", range(2), scale="10m"), Machine(cpus=8))
    assert [s.threads for s in small] == [1, 1]
    assert [s.threads for s in large] == [4, 4]


def test_a_stack_has_no_more_threads_than_a_node_has_cpus() -> None:
    (alone,) = plan(group("b", range(1), scale="10m"), Machine(cpus=16, threads=8))
    assert alone.threads == 8


def test_a_gpu_takes_one_large_stack_up_to_its_memory() -> None:
    machine = Machine(cpus=8, gpus=1, gpu_memory_bytes=80 * 2**30)
    stacks = plan(group("a", range(100)), machine)
    assert [(s.size, s.threads) for s in stacks] == [(100, 1)]
    assert stack_cap(Speeds(machine).of(config("10m"))) < 100


def test_a_trial_that_fits_no_gpu_is_left_out() -> None:
    machine = Machine(cpus=8, gpus=1, gpu_memory_bytes=2**30)
    free = group("a", range(2), scale="1.2b") + group("b", range(2, 4))
    assert [s.stack_key for s in plan(free, machine)] == ["b"]


@pytest.mark.parametrize("cpus", [1, 4])
def test_nothing_free_gives_no_stack(cpus: int) -> None:
    assert plan([], Machine(cpus=cpus)) == ()
