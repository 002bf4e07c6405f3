"""SGD with heavy-ball momentum."""

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
    per_trial,
)
from trainers.optimizers.transforms import descend


def sgd(momentum: Momentum = 0.98) -> Optimizer:
    """Gradient descent along a decaying sum of gradients.

    Update:
        buf <- momentum * buf + g        (buf = 0 before the first step)
        w   <- w - lr * decay * w - lr * buf

    Args:
        momentum: 0 <= momentum < 1; 0.98 in the study. The sum has a steady gain of
            1 / (1 - momentum), so learning rates are not comparable with those of averages.

    Source: arXiv 2407.07972; `SGDW` in rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py`.

    Deviations: none.
    """
    return chain(heavy_ball(momentum), descend())


def heavy_ball(momentum: PerTrial) -> Optimizer:
    """The gradient plus `momentum` times what this returned before."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"buf": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del context
        buf = torch.addcmul(grad, state["buf"], per_trial(momentum, value))
        return buf, state | {"buf": buf}

    return Optimizer(init, update, elementwise=True)
