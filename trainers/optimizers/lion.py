"""Lion: the sign of an interpolation between gradient and its average."""

import torch
from torch import Tensor

from trainers.optimizers.base import (
    Beta2,
    Context,
    Momentum,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
)
from trainers.optimizers.transforms import average, descend, sign


def lion(momentum: Momentum = 0.9, beta2: Beta2 = 0.95) -> Optimizer:
    """Steps of equal size, along an average that gives the newest gradient more weight.

    Update (m = 0 before the first step):
        u  = beta1 * m + (1 - beta1) * g
        m <- beta2 * m + (1 - beta2) * g
        w <- w - lr * decay * w - lr * sign(u)

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study. Weight of the average in the step.
        beta2: 0 <= beta2 < 1; 0.95 in the study (0.99 in the paper). Factor of the average itself.

    Source: arXiv 2302.06675, Algorithm 2; `LionW` in rosieyzh/optimizers-llm@a1f8a3f
        `olmo/optim.py`.

    Deviations: none. sign(0) = 0, so that weights without a gradient stay where they are.
    """
    return chain(sign_of_interpolation(momentum, beta2), descend())


def sign_of_interpolation(momentum: PerTrial, beta2: PerTrial) -> Optimizer:
    """The sign of the interpolation; the average is updated after it is read."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        u = average(state["m"], grad, momentum)
        return sign(u), state | {"m": average(state["m"], grad, beta2)}

    return Optimizer(init, update, elementwise=True)
