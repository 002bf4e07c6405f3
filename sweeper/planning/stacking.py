"""Which free trials to train together, on how many threads: pure.

One thread per stack and stacks side by side beats several threads on one small stack (two threads
gained 1.05x at `nano`). Training K trials as one pays while a step is too small to fill a device:
`sweeper.planning.speeds` knows how much, by a model and by what was measured.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, Protocol

from sweeper.planning.machine import Machine
from sweeper.planning.sizing import best_size
from sweeper.planning.speeds import Speed, Speeds, step_flops
from trainers.config import from_dict

THREADED_STEP_FLOPS = 2e9
"""Below this a step gains nothing from a second thread, and would give up equal bits."""
TAIL_TOLERANCE = 1.05
SPLIT_GAIN = 0.99


class FreeTrial(Protocol):
    """What the planner reads of a trial that waits."""

    @property
    def id(self) -> int:
        """Its row."""

    @property
    def stack_key(self) -> str:
        """Equal for trials that can be trained as one."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Its configuration as plain values."""

    @property
    def demand(self) -> int:
        """The highest priority of the sweeps that want it."""


@dataclass(frozen=True, kw_only=True)
class PlannedStack:
    """Trials to claim as one stack, with the threads it gets and the seconds it should take."""

    trial_ids: tuple[int, ...]
    stack_key: str
    demand: int
    threads: int
    cost_s: float

    @property
    def size(self) -> int:
        """K, the number of members."""
        return len(self.trial_ids)


def plan(
    free: Sequence[FreeTrial], machine: Machine, speeds: Speeds | None = None
) -> tuple[PlannedStack, ...]:
    """Stacks in the order in which to start them, every free trial in at most one.

    Higher demand first; within one demand the longest first, and the last demand split so that all
    slots end at about the same time. A trial that no slot can hold is left out. `speeds` are those
    of the machine, by the model if nothing else is known.
    """
    speeds = speeds or Speeds(machine)
    loads = _loads(machine)
    levels = [list(level) for _, level in groupby(sorted(free, key=_order), lambda t: t.demand)]
    planned: list[PlannedStack] = []
    for position, level in enumerate(levels):
        stacks = _fill_slots(_grouped(level, speeds), loads)
        if position == len(levels) - 1:
            stacks = _balanced(stacks, loads)
        planned += _with_threads(_longest_first(stacks), machine)
        loads = _finish_times(stacks, loads)
    return tuple(planned)


def finish_times(costs_s: Iterable[float], loads: Iterable[float]) -> list[float]:
    """When each slot ends if the longest stack goes first, each to the slot that is free first."""
    ends = list(loads)
    heapq.heapify(ends)
    for cost_s in sorted(costs_s, reverse=True):
        heapq.heapreplace(ends, ends[0] + cost_s)
    return ends


@dataclass(frozen=True)
class _Group:
    """A stack in the making."""

    trials: tuple[FreeTrial, ...]
    speed: Speed

    @cached_property
    def cost_s(self) -> float:
        return self.speed.stack_s(len(self.trials))

    def halves(self) -> list["_Group"]:
        middle = (len(self.trials) + 1) // 2
        parts = (self.trials[:middle], self.trials[middle:])
        return [_Group(part, self.speed) for part in parts]


def _order(trial: FreeTrial) -> tuple[int, int]:
    return (-trial.demand, trial.id)


def _loads(machine: Machine) -> list[float]:
    """Seconds until each slot is free; a stack claimed ahead waits for the first one."""
    loads = [0.0] * machine.slots
    for left in sorted(machine.running, reverse=True):
        heapq.heapreplace(loads, loads[0] + left)
    return loads


def _grouped(level: Iterable[FreeTrial], speeds: Speeds) -> list[_Group]:
    by_key: dict[str, list[FreeTrial]] = {}
    for trial in level:
        by_key.setdefault(trial.stack_key, []).append(trial)
    return [stack for trials in by_key.values() for stack in _evenly(trials, speeds)]


def _evenly(trials: list[FreeTrial], speeds: Speeds) -> list[_Group]:
    speed = speeds.of(from_dict(trials[0].config))
    size = best_size(speed)
    if not size:
        return []
    count = -(-len(trials) // size)
    edges = [len(trials) * i // count for i in range(count + 1)]
    return [_Group(tuple(trials[low:high]), speed) for low, high in pairwise(edges)]


def _fill_slots(stacks: list[_Group], loads: list[float]) -> list[_Group]:
    """Halve the longest until every idle slot has a stack."""
    idle = sum(load == 0.0 for load in loads)
    while len(stacks) < idle:
        longest = max(stacks, key=lambda stack: len(stack.trials), default=None)
        if longest is None or len(longest.trials) == 1:
            break
        stacks = _split(stacks, longest)
    return stacks


def _balanced(stacks: list[_Group], loads: list[float]) -> list[_Group]:
    """Split stacks while that ends the whole noticeably sooner."""
    while (better := _better(stacks, loads)) is not None:
        stacks = better
    return stacks


def _better(stacks: list[_Group], loads: list[float]) -> list[_Group] | None:
    """With one stack more; None if that is not worth it, or all end together already."""
    end = max(_finish_times(stacks, loads))
    ideal = (sum(loads) + sum(stack.cost_s for stack in stacks)) / len(loads)
    best = _best_split(stacks, loads) if end > TAIL_TOLERANCE * ideal else None
    if best is None or max(_finish_times(best, loads)) > SPLIT_GAIN * end:
        return None
    return best


def _best_split(stacks: list[_Group], loads: list[float]) -> list[_Group] | None:
    """One stack halved, the one that brings the end forward most; equal stacks are tried once."""
    distinct = {(s.trials[0].stack_key, len(s.trials)): s for s in reversed(stacks)}
    candidates = [_split(stacks, s) for s in distinct.values() if len(s.trials) > 1]
    return min(candidates, key=lambda c: max(_finish_times(c, loads)), default=None)


def _split(stacks: list[_Group], chosen: _Group) -> list[_Group]:
    return [part for s in stacks for part in (s.halves() if s is chosen else [s])]


def _longest_first(stacks: Iterable[_Group]) -> list[_Group]:
    return sorted(stacks, key=lambda stack: (-stack.cost_s, stack.trials[0].id))


def _finish_times(stacks: Iterable[_Group], loads: list[float]) -> list[float]:
    return finish_times((stack.cost_s for stack in stacks), loads)


def _with_threads(stacks: list[_Group], machine: Machine) -> list[PlannedStack]:
    beside = len(stacks) + len(machine.running)
    spare = min(max(1, machine.cpus // max(1, beside)), machine.threads or machine.cpus)
    return [
        PlannedStack(
            trial_ids=tuple(trial.id for trial in stack.trials),
            stack_key=stack.trials[0].stack_key,
            demand=stack.trials[0].demand,
            threads=spare if _is_threaded(stack) and not machine.gpus else 1,
            cost_s=stack.cost_s,
        )
        for stack in stacks
    ]


def _is_threaded(stack: _Group) -> bool:
    return len(stack.trials) * step_flops(stack.speed.config) >= THREADED_STEP_FLOPS
