"""Variants at equal compute: what each run used, its loss on the way, and how soon it was there.

All of it for the runs at a variant's best value, averaged over their seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Resource = Literal["steps", "tokens", "flops", "seconds"]
RESOURCES: tuple[Resource, ...] = ("steps", "tokens", "flops", "seconds")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run: what it used in all, and its held-out losses by step.

    `flops` are those of the model and of the optimizer, `seconds` those of the device, shared
    evenly between trials that trained together. None where it is not known.
    """

    steps: int
    parameters: int | None = None
    """Without the token tables."""
    tokens: float | None = None
    flops: float | None = None
    optimizer_flops: float | None = None
    """Part of `flops`."""
    seconds: float | None = None
    state_bytes: float | None = None
    """What the optimizer keeps, of one trial."""
    losses: Mapping[int, float]

    @property
    def evaluations(self) -> list[tuple[int, float]]:
        """Step and loss of each; not of step 0, which has no logarithm and is no training yet."""
        return [(step, loss) for step, loss in self.losses.items() if step]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a variant used at its best value, and what that bought."""

    value: float | None
    steps: float | None = None
    tokens: float | None = None
    flops: float | None = None
    optimizer_share: float | None = None
    """Of the operations."""
    seconds: float | None = None
    state_bytes: float | None = None
    parameters: int | None = None
    loss_at_equal: Mapping[Resource, float]
    """Held-out loss where the cheapest variant beside it had ended, by resource. A run that is cut
    short has not let its learning rate decay: this is no replacement for a shorter run."""
    to_target: Mapping[Resource, float]
    """How much it took to the target; without the resources in which it never got there."""
    speed_up: Mapping[Resource, float]
    """That of the baseline over it."""
    reason: str | None = None


def average(runs: Sequence[Run]) -> Run | None:
    """The mean of runs that differ in their seed alone; losses where all have one."""
    if not runs:
        return None
    common = set.intersection(*(set(run.losses) for run in runs))
    first = runs[0]
    return Run(
        steps=first.steps,
        parameters=first.parameters,
        tokens=first.tokens,
        flops=first.flops,
        optimizer_flops=first.optimizer_flops,
        seconds=_mean([run.seconds for run in runs]),
        state_bytes=first.state_bytes,
        losses={
            step: math.fsum(run.losses[step] for run in runs) / len(runs) for step in sorted(common)
        },
    )


def loss_after(run: Run, share: float) -> float | None:
    """Loss after a share of the steps, linear in the log of the step between two evaluations."""
    step = share * run.steps
    if share >= 1 - 1e-12:
        return run.losses.get(run.steps)
    for (before, loss), (after, next_loss) in pairwise(run.evaluations):
        if before <= step <= after:
            part = math.log(step / before) / math.log(after / before)
            return loss + part * (next_loss - loss)
    return None


def share_to(run: Run, target: float) -> float | None:
    """The share of the steps at which the loss first is the target; None if it never is.

    A target that is met at the first evaluation counts as met there, not before.
    """
    points = run.evaluations
    if not points:
        return None
    if points[0][1] <= target:
        return points[0][0] / run.steps
    for (before, loss), (after, next_loss) in pairwise(points):
        if next_loss <= target:
            part = (loss - target) / (loss - next_loss)
            return float(before * (after / before) ** part / run.steps)
    return None


def spent(
    runs: Sequence[Run | None], values: Sequence[float | None], target: float | None
) -> tuple[Spent, ...]:
    """One entry per variant of a group; the first one is the baseline of the speed-ups."""
    least = {
        resource: min((t for run in runs if (t := _total(run, resource))), default=None)
        for resource in RESOURCES
    }
    needed = [_to_target(run, target) for run in runs]
    return tuple(
        Spent(value=value, loss_at_equal={}, to_target={}, speed_up={}, reason="no finished run")
        if run is None
        else Spent(
            value=value,
            steps=run.steps,
            tokens=run.tokens,
            flops=run.flops,
            optimizer_share=_ratio(run.optimizer_flops, run.flops),
            seconds=run.seconds,
            state_bytes=run.state_bytes,
            parameters=run.parameters,
            loss_at_equal=_losses_at(run, least),
            to_target=own,
            speed_up={r: needed[0][r] / amount for r, amount in own.items() if r in needed[0]},
        )
        for run, value, own in zip(runs, values, needed, strict=True)
    )


def _losses_at(run: Run, least: Mapping[Resource, float | None]) -> dict[Resource, float]:
    found = {}
    for resource, budget in least.items():
        total = _total(run, resource)
        loss = loss_after(run, budget / total) if budget and total else None
        if loss is not None:
            found[resource] = loss
    return found


def _to_target(run: Run | None, target: float | None) -> dict[Resource, float]:
    share = None if run is None or target is None else share_to(run, target)
    if share is None:
        return {}
    return {r: share * total for r in RESOURCES if (total := _total(run, r))}


def _total(run: Run | None, resource: Resource) -> float | None:
    return None if run is None else getattr(run, resource)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return math.fsum(known) / len(known) if known else None
