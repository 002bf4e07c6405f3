"""Adam without a learning rate schedule."""

import torch
from torch import Tensor

from trainers.optimizers.base import (
    Beta2,
    Context,
    Eps,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
    per_trial,
)
from trainers.optimizers.schedule_free import Interpolation, average_iterates
from trainers.optimizers.transforms import adaptive_lr, average, block_means


def schedule_free_adamw(
    momentum: Interpolation = 0.9, beta2: Beta2 = 0.999, eps: Eps = 1e-8
) -> Optimizer:
    """Adam's steps without its average of gradients; their weighted average is evaluated.

    Update (k from 1, v = 0 and z = x = y before, y the weights in training):
        v <- beta2 * v + (1 - beta2) * g(y)^2
        u  = g(y) / (sqrt(v / (1 - beta2^k)) + eps) + decay * y
        z <- z - lr_k * u
        x <- (1 - c) * x + c * z,  c = q_k / (q_1 + ... + q_k),  q_k = max(lr_1 ... lr_k)^2
        y <- (1 - beta1) * z + beta1 * x

    Args:
        momentum: beta1, 0 < momentum < 1; 0.9 in the source. Where between z and its average x
            gradients are taken.
        beta2: 0 <= beta2 < 1; 0.999 in the source.
        eps: >= 1e-30, outside the root and after its correction; 1e-8 in the source.

    Source: arXiv 2405.15682, Algorithm 1; `AdamWScheduleFree` in
        facebookresearch/schedule_free@70785b5. Centre of `lr`: 0.0025, its default. Its schedule
        is `warmup_constant`.

    Deviations: none. x is not stored, but computed from y and z where the loop evaluates.
    """
    return chain(scale_by_root(beta2, eps), average_iterates(momentum))


def scale_by_root(beta2: PerTrial, eps: PerTrial) -> Optimizer:
    """The gradient over the corrected root of averaged squares: Adam's direction at beta1 = 0."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"v": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        v = average(state["v"], grad.square(), beta2)
        root = (1 - beta2**context.step) ** 0.5
        denominator = v.sqrt().add_(per_trial(eps * root, value))
        return (grad * per_trial(root, value)).div_(denominator), state | {"v": v}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = block_means(state["v"], context.role)
        return adaptive_lr(v / per_trial(1 - beta2**context.step, v), eps, context)

    return Optimizer(init, update, elementwise=True, effective_lr=effective_lr)
