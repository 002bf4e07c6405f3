"""Adam on gradients corrected by how they changed since the last step."""

from typing import Annotated

import torch
from torch import Tensor

from trainers.config import Hyperparameter
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
    partition,
    per_trial,
)
from trainers.optimizers.transforms import descend, scale_by_adam

Gamma = Annotated[
    PerTrial, Hyperparameter(default=0.025, help="weight of the change of the gradient")
]

NORM_BETAS = (0.9, 0.95)
"""Of the AdamW that moves norm scales, in the source."""


def mars(
    momentum: Momentum = 0.95, beta2: Beta2 = 0.99, gamma: Gamma = 0.025, eps: Eps = 1e-8
) -> Optimizer:
    """Adam whose gradient's variance is reduced by a scaled difference to the gradient before.

    Update (t from 1, m = v = g_0 = 0 before, norms over a tensor):
        c  = g_t + gamma * beta1 / (1 - beta1) * (g_t - g_(t-1)),  c <- c / max(1, |c|)
        m <- beta1 * m + (1 - beta1) * c,  v <- beta2 * v + (1 - beta2) * c^2
        d  = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d
    Norm scales: AdamW with betas 0.9 and 0.95, on g.

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.95 in the source.
        beta2: 0 <= beta2 < 1; 0.99 in the source.
        gamma: >= 0; 0.025 in the source. At 0 it is AdamW on clipped gradients.
        eps: >= 1e-30, outside the root and after its correction; 1e-8 in the source.

    Source: arXiv 2411.10438, MARS-AdamW; AGI-Arena/MARS@20c60c1 `MARS/optimizers/mars.py`. Centre
        of `lr`: 3.16e-3, the grid point next to its default 3e-3.

    Deviations: the approximate form, as is its default: g_(t-1) is the last step's gradient, not
        one of the last weights on this step's batch. Norm scales move and decay at the learning
        rate and by the coefficient of all parameters; in the source they have a peak (3e-3 unless
        it is set, its default for all) and a coefficient (0.1) of their own.
    """
    corrected = chain(correct_variance(momentum, gamma), scale_by_adam(momentum, beta2, eps))
    groups = dict.fromkeys(ParamRole, corrected) | {ParamRole.NORM: scale_by_adam(*NORM_BETAS, eps)}
    return chain(partition(groups), descend())


def correct_variance(momentum: PerTrial, gamma: PerTrial) -> Optimizer:
    """The gradient plus a share of its change, clipped to norm one."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"last": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del context
        weight = per_trial(gamma * momentum / (1 - momentum), value)
        corrected = torch.addcmul(grad, grad - state["last"], weight)
        norm = torch.linalg.vector_norm(corrected.flatten(1), dim=1).clamp(min=1.0)
        return corrected.div_(per_trial(norm, value)), state | {"last": grad.clone()}

    return Optimizer(init, update)
