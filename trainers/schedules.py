"""Learning rate schedules: what to multiply the peak with at a step, one value per trial.

Steps count from 1. `a` is the floor, `W = warmup_fraction * T` the warmup in (fractional) steps
and `T` the length of the run. No branch looks at a trial's value: all pieces are computed and
selected.
"""

from collections.abc import Callable, Mapping
from typing import overload

import torch
from torch import Tensor

from trainers.config import ScheduleName

DECAY_FRACTION = 0.2
"""Share of a warmup-stable-decay run that is its final decay (arXiv 2405.18392 uses 10 to 20 %)."""

Time = int | Tensor
"""A step or a number of steps: one for all trials, or one per trial in a float64 tensor `(K,)`."""

Schedule = Callable[[Time, Time, Mapping[str, Tensor]], Tensor]


def multiplier(
    name: ScheduleName, step: int, steps: int, hyperparameters: Mapping[str, Tensor]
) -> Tensor:
    """What to multiply the peak with at a step, `(K,)`.

    An optimizer with a `freeze_fraction` has zero for that share of the run, then the schedule over
    the rest.
    """
    schedule = SCHEDULES[name]
    if "freeze_fraction" not in hyperparameters:
        return schedule(step, steps, hyperparameters)
    frozen = frozen_steps(hyperparameters["freeze_fraction"], steps)
    moving = schedule(step - frozen, steps - frozen, hyperparameters)
    return torch.where(step < frozen, 0.0, moving)


@overload
def frozen_steps(fraction: float, steps: int) -> float: ...
@overload
def frozen_steps(fraction: Tensor, steps: int) -> Tensor: ...
def frozen_steps(fraction: float | Tensor, steps: int) -> float | Tensor:
    """`floor(fraction * steps)`, for one trial or for each.

    A fraction that was written as a quotient of whole numbers may end just below them. One step is
    left at least, however close to 1 the fraction is.
    """
    frozen = (fraction * steps + 1e-6) // 1
    if isinstance(frozen, Tensor):
        return frozen.clamp(max=steps - 1)
    return min(frozen, steps - 1.0)


def warmup_cosine(step: Time, steps: Time, hyperparameters: Mapping[str, Tensor]) -> Tensor:
    """Linear from the floor to 1 in W steps, then a half cosine down to the floor, `(K,)`.

    `s < W: a + (1 - a) s / W`; `W <= s < T: a + (1 - a) (1 + cos(pi (s - W) / (T - W))) / 2`;
    then `a`.
    """
    floor, warmup = _floor_and_warmup(steps, hyperparameters)
    progress = ((step - warmup) / (steps - warmup)).clamp(0.0, 1.0)
    cosine = (1 + torch.cos(torch.pi * progress)) / 2
    return floor + (1 - floor) * torch.where(step < warmup, step / warmup, cosine)


def warmup_stable_decay(step: Time, steps: Time, hyperparameters: Mapping[str, Tensor]) -> Tensor:
    """Linear from the floor to 1 in W steps, 1, then linear to the floor in the last 20 %, `(K,)`.

    A warmup that reaches into the last 20 % shortens the decay, not the warmup.
    """
    floor, warmup = _floor_and_warmup(steps, hyperparameters)
    decay = torch.minimum(steps - warmup, torch.zeros_like(warmup) + DECAY_FRACTION * steps)
    down = ((steps - step) / decay).clamp(0.0, 1.0)
    return floor + (1 - floor) * torch.where(step < warmup, step / warmup, down)


def warmup_constant(step: Time, steps: Time, hyperparameters: Mapping[str, Tensor]) -> Tensor:
    """Linear from 0 to 1 in W steps, then 1, `(K,)`: Schedule-Free's (arXiv 2405.15682)."""
    warmup = hyperparameters["warmup_fraction"] * steps
    return torch.where(step < warmup, step / warmup, 1.0)


def constant(step: Time, steps: Time, hyperparameters: Mapping[str, Tensor]) -> Tensor:
    """One, `(K,)`."""
    del step, steps
    return torch.ones_like(next(iter(hyperparameters.values())))


def _floor_and_warmup(steps: Time, hyperparameters: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    return hyperparameters["lr_floor"], hyperparameters["warmup_fraction"] * steps


SCHEDULES: Mapping[ScheduleName, Schedule] = {
    "warmup_cosine": warmup_cosine,
    "warmup_stable_decay": warmup_stable_decay,
    "warmup_constant": warmup_constant,
    "constant": constant,
}
