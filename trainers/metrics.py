"""What a run reports, and at which steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

METRIC_POINTS = 100
"""Metric steps of a run, about; a curve needs no more, and a database no fewer."""

SPEEDS = ("tokens_per_s", "flops_per_s", "mfu")
"""What is measured of a trial's pace: see `Throughput.of_each_trial`."""

EVALUATION_POINTS = 10
EVALUATION_DECADES = 2.1
TAIL_FRACTION = 0.05


@dataclass(frozen=True)
class StepMetrics:
    """Numbers of one step: one value per slot of the stack under every key, NaN and inf included.

    Keys: `train_loss` (cross-entropy), `grad_norm` (before clipping), `lr`
    (scheduled), what the optimizer has in `Optimizer.shares`, and at step 0 and at evaluation steps
    `validation_loss` (cross-entropy).
    `details` holds a JSON text per slot: of adaptive optimizers `effective_lr`, the quantiles of
    `lr / (sqrt(v) + eps)` over the blocks of each role.
    `speed` holds what a run measures of its pace, by the names in `SPEEDS`. It is no part of what
    two equal runs have in common.
    """

    step: int
    values: Mapping[str, tuple[float, ...]]
    details: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    speed: Mapping[str, tuple[float, ...]] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """How one training run ended. Losses in nats; final, initial and best are validation losses.

    `train_loss` is the mean over the last 5 % of the steps. `last_finite_loss` is the last training
    loss that was a number. `busy_s` is the trial's share of the time that its stack computed.
    """

    outcome: Literal["finite", "diverged"]
    final_loss: float | None
    initial_loss: float
    best_loss: float | None
    train_loss: float | None
    last_finite_loss: float | None
    diverged_at_step: int | None
    busy_s: float


def is_metric_step(step: int, steps: int) -> bool:
    """Whether the step reports: the first, the last, and evenly in between; every evaluation."""
    every = max(1, steps // METRIC_POINTS)
    return step in (1, steps) or step % every == 0 or step in evaluation_steps(steps)


@cache
def evaluation_steps(steps: int) -> frozenset[int]:
    """Ten steps evenly spaced in their logarithm over the last 2.1 decades, and the last one.

    The study's rule (optimizers-llm@a1f8a3f), which rounds down to hundreds; here to 1/250 of a
    run, which is a hundred at its 25,000 steps, and never to more than a hundred. The tenth is the
    last step itself where that is a multiple of the unit, and less than a unit before it elsewhere.
    """
    unit = min(100, max(1, steps // 250))
    exponents = (EVALUATION_DECADES * (i / (EVALUATION_POINTS - 1) - 1) for i in range(10))
    points = {int(steps * 10**exponent / unit) * unit for exponent in exponents}
    return frozenset(points | {steps}) - {0}


def tail_start(steps: int) -> int:
    """The last step that the smoothed training loss leaves out."""
    return steps - max(1, round(TAIL_FRACTION * steps))
