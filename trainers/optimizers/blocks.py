"""Adam with one second average per block of a parameter: what Adalayer's family shares."""

from collections.abc import Callable

import torch
from torch import Tensor

from trainers.optimizers.base import (
    Context,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    per_trial,
)
from trainers.optimizers.transforms import adaptive_lr, average

MeanSquare = Callable[[Tensor, ParamRole | None], Tensor]
"""The mean square of each block of a gradient, broadcastable to it."""


def whole(grad: Tensor, role: ParamRole | None) -> Tensor:
    """One block per tensor, `(K, 1, …)`."""
    del role
    return grad.square().mean(tuple(range(1, grad.dim())), keepdim=True)


def per_logit(grad: Tensor, role: ParamRole | None) -> Tensor:
    """One block per column of the last layer, `(K, 1, V)`; else one per tensor, `(K, 1, …)`.

    Queries, keys and values are tensors of their own, hence blocks of their own.
    """
    if role is ParamRole.LAST_LAYER:
        return grad.square().mean(1, keepdim=True)
    return whole(grad, role)


def scale_by_blocks(
    momentum: PerTrial, beta2: PerTrial, eps: PerTrial, mean_square: MeanSquare
) -> Optimizer:
    """Adam's direction with `v` averaged over blocks."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        return {"m": torch.zeros_like(value), "v": torch.zeros_like(mean_square(value, role))}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value
        m = average(state["m"], grad, momentum)
        v = average(state["v"], mean_square(grad, context.role), beta2)
        root = per_trial((1 - beta2**context.step) ** 0.5, v)
        denominator = v.sqrt().div_(root).add_(per_trial(eps, v))
        return m / denominator.mul_(per_trial(1 - momentum**context.step, v)), {"m": m, "v": v}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = state["v"].flatten(1)
        return adaptive_lr(v / per_trial(1 - beta2**context.step, v), eps, context)

    return Optimizer(init, update, effective_lr=effective_lr)
