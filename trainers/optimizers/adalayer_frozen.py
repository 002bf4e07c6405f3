"""Frozen Adalayer*: second averages of a first phase without steps, kept from then on."""

from typing import Annotated

import torch
from torch import Tensor

from trainers.config import Hyperparameter, Option
from trainers.optimizers.base import (
    Beta2,
    Context,
    Eps,
    Momentum,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
    per_trial,
)
from trainers.optimizers.blocks import per_logit
from trainers.optimizers.transforms import adaptive_lr, average, descend
from trainers.schedules import frozen_steps

FreezeFraction = Annotated[
    PerTrial,
    Hyperparameter(
        default=1 / 26,
        high=1.0,
        help="share of the steps that only measure second averages, before the schedule starts",
    ),
]
UpdateLast = Annotated[bool, Option(help="whether the last layer's second averages go on")]
UpdateNorm = Annotated[bool, Option(help="whether the norms' second averages go on")]


def adalayer_frozen(
    steps: int,
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-15,
    freeze_fraction: FreezeFraction = 1 / 26,
    update_last: UpdateLast = True,
    update_norm: UpdateNorm = True,
) -> Optimizer:
    """Adalayer* whose second averages are those of the untrained model.

    Update (t from 1, m = v = 0 before, F = floor(freeze_fraction * steps), blocks of Adalayer*):
        m <- beta1 * m + (1 - beta1) * g
        t <= F: v <- v + (mean_block(g^2) - v) / (t + 1);  lr is 0 for t < F
        t > F:  v <- beta2 * v + (1 - beta2) * mean_block(g^2) in the last layer (update_last) and
                the norms (update_norm); v stays what it is elsewhere
        d  = m / (1 - beta1^t) / (sqrt(v) + eps)
        w <- w - lr * decay * w - lr * d

    Args:
        steps: of the whole run.
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root; 1e-15 in the study.
        freeze_fraction: 0 <= freeze_fraction < 1; 1,000 of 26,000 steps in the study. Where F is 0
            this is Adalayer*, its correction of v included.
        update_last: true in the study.
        update_norm: true in the study, whose code has false unless it is set.

    Source: arXiv 2407.07972; `AdalayerW` with `t_freeze` in rosieyzh/optimizers-llm@a1f8a3f
        `olmo/optim.py`.

    Deviations: none but the last layer, which is known by its role and not by its size. As there,
        v is never corrected: after F steps it is F / (F + 1) times the mean of what it saw.
    """
    frozen = frozen_steps(freeze_fraction, steps)
    updated = {ParamRole.LAST_LAYER: update_last, ParamRole.NORM: update_norm}
    going_on = frozenset(role for role, goes_on in updated.items() if goes_on)
    return chain(scale_by_frozen_blocks(momentum, beta2, eps, frozen, going_on), descend())


def scale_by_frozen_blocks(
    momentum: PerTrial,
    beta2: PerTrial,
    eps: PerTrial,
    frozen: PerTrial,
    going_on: frozenset[ParamRole],
) -> Optimizer:
    """Adalayer*'s direction with v averaged in the first `frozen` steps."""
    frozen = torch.as_tensor(frozen, dtype=torch.float64)

    def keep(step: int, role: ParamRole | None) -> Tensor:
        """The factor of the old v, `(K,)`."""
        later = frozen.new_ones(()) * (beta2 if role in going_on else 1.0)
        phases = torch.where(step <= frozen, step / (step + 1), later)
        return torch.where(frozen == 0, beta2, phases)

    def correction(step: int) -> Tensor:
        return torch.where(frozen == 0, 1 - beta2**step, torch.ones_like(frozen))

    def init(value: Tensor, role: ParamRole | None) -> State:
        return {"m": torch.zeros_like(value), "v": torch.zeros_like(per_logit(value, role))}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value
        step, role = context.step, context.role
        m = average(state["m"], grad, momentum)
        v = average(state["v"], per_logit(grad, role), keep(step, role))
        denominator = (v / per_trial(correction(step), v)).sqrt_().add_(per_trial(eps, v))
        return m / denominator.mul_(per_trial(1 - momentum**step, v)), {"m": m, "v": v}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = state["v"].flatten(1)
        return adaptive_lr(v / per_trial(correction(context.step), v), eps, context)

    return Optimizer(init, update, effective_lr=effective_lr)
