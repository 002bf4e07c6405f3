"""The sign of the averaged gradient."""

import torch
from torch import Tensor

from trainers.optimizers.base import (
    Context,
    Momentum,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
)
from trainers.optimizers.transforms import average, descend, sign


def signum(momentum: Momentum = 0.9) -> Optimizer:
    """Steps of equal size in the direction of averaged gradients.

    Update (m = 0 before the first step):
        m <- momentum * m + (1 - momentum) * g
        w <- w - lr * decay * w - lr * sign(m)

    Args:
        momentum: 0 <= momentum < 1; 0.9 in the study.

    Source: arXiv 1802.04434, Algorithm 2; in rosieyzh/optimizers-llm@a1f8a3f the Lion class with
        both betas equal.

    Deviations: none. sign(0) = 0, so that weights without a gradient stay where they are.
    """
    return chain(sign_of_average(momentum), descend())


def sign_of_average(momentum: PerTrial) -> Optimizer:
    """The sign of the running average."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        m = average(state["m"], grad, momentum)
        return sign(m), state | {"m": m}

    return Optimizer(init, update, elementwise=True)
