"""Parts that optimizers share: running averages and the step itself."""

import torch
from torch import Tensor

from trainers.optimizers.base import Context, Optimizer, ParamRole, PerTrial, State, per_trial


def average(old: Tensor, new: Tensor, beta: PerTrial) -> Tensor:
    """`beta * old + (1 - beta) * new` as a new tensor."""
    return torch.lerp(old, new, per_trial(1 - beta, old))


def descend() -> Optimizer:
    """`-lr * (grad + decay * value)`: the scheduled step with decoupled decay, last in a chain.

    Equal to shrinking the value by `1 - lr * decay` first and then stepping along the gradient.
    """

    def init(value: Tensor, role: ParamRole | None) -> State:
        del value, role
        return {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        decayed = torch.addcmul(grad, value, per_trial(context.decay, value))
        return decayed.mul_(per_trial(-context.lr, value)), state

    return Optimizer(init, update, elementwise=True)
