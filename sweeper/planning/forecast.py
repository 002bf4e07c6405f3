"""What a sweep would take on a machine, before any of it is started: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sweeper.planning.machine import Machine
from sweeper.planning.sizing import micro_batch
from sweeper.planning.speeds import Speed, Speeds
from sweeper.planning.stacking import PlannedStack, finish_times, plan
from sweeper.trials import Expansion, PlannedTrial
from trainers.config import TrainConfig, to_dict
from trainers.memory import stack_memory

HOUR_S = 3600.0
Source = Literal["measured", "model", "both"]
"""Of times: stacks that ran on this device, or what `sweeper.planning.speeds` assumes."""


@dataclass(frozen=True, kw_only=True)
class StackKind:
    """Stacks that differ in nothing but their trials.

    `seconds` are those of one of them, `memory_bytes` those it takes at its peak (None of a
    training function), `micro_batch` the sequences of each trial that it computes at once.
    """

    optimizer: str
    scale: str
    precision: str
    parameters: int
    size: int
    count: int
    threads: int
    micro_batch: int | None
    memory_bytes: float | None
    seconds: float
    measured: bool


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The stacks of the trials that a sweep would add, on a machine with nothing else to do.

    `device_hours` are those of GPUs where there are any, else of CPU cores. `unfit` trials fit into
    no device here. Without `machine_known` no dispatcher has told yet what there is, and it is the
    computer that serves.
    """

    machine: Machine
    machine_known: bool
    kinds: tuple[StackKind, ...]
    unfit: int
    device_hours: float
    wall_hours: float
    source: Source
    rounds_hours: float = 0.0
    """Device-hours of the points that rounds may add, if each takes what a new trial does."""


@dataclass(frozen=True)
class _Wanted:
    """A trial that nobody has stored yet, as the planner wants it."""

    id: int
    stack_key: str
    trained: TrainConfig
    demand: int = 0

    @property
    def config(self) -> Mapping[str, Any]:
        return to_dict(self.trained)


def forecast(
    expansion: Expansion,
    new: Sequence[PlannedTrial],
    speeds: Speeds,
    *,
    machine_known: bool,
    may_add: int = 0,
) -> Forecast:
    """How the new trials of an expansion would be trained; rounds may add so many points to it."""
    wanted = [_Wanted(n, trial.stack_key, trial.config) for n, trial in enumerate(new)]
    stacks = plan(wanted, speeds.machine, speeds)
    scales = {p.fingerprint: expansion.variants[p.variant].scale for p in expansion.points}
    alike: dict[tuple[str, int, int], list[PlannedStack]] = {}
    for stack in stacks:
        alike.setdefault((stack.stack_key, stack.size, stack.threads), []).append(stack)
    kinds = []
    for same in alike.values():
        first = new[same[0].trial_ids[0]]
        speed, scale = speeds.of(first.config), scales[first.fingerprint]
        kinds.append(_kind(same[0], len(same), speed, scale))
    seconds = [stack.cost_s / stack.threads for stack in stacks]
    slots = [0.0] * speeds.machine.slots
    device_hours = sum(stack.cost_s for stack in stacks) / HOUR_S
    return Forecast(
        machine=speeds.machine,
        machine_known=machine_known,
        kinds=tuple(kinds),
        unfit=len(new) - sum(stack.size for stack in stacks),
        device_hours=device_hours,
        wall_hours=max(finish_times(seconds, slots)) / HOUR_S,
        source=_source(kinds),
        rounds_hours=may_add * device_hours / max(1, len(new)),
    )


def _kind(stack: PlannedStack, count: int, speed: Speed, scale: str) -> StackKind:
    config, on_cpu = speed.config, not speed.machine.gpus
    part, memory_bytes = micro_batch(speed, stack.size), None
    if not config.is_function:
        memory_bytes = stack_memory(config, stack.size, part, on_cpu=on_cpu).total
    return StackKind(
        optimizer=config.optimizer,
        scale=scale,
        precision=config.precision,
        parameters=config.model.num_parameters(),
        size=stack.size,
        count=count,
        threads=stack.threads,
        micro_batch=part,
        memory_bytes=memory_bytes,
        seconds=stack.cost_s / stack.threads,
        measured=speed.is_measured,
    )


def _source(kinds: Sequence[StackKind]) -> Source:
    measured = {kind.measured for kind in kinds}
    if len(measured) == 2:
        return "both"
    return "measured" if True in measured else "model"
