"""Adam that leaves out what the newest gradient disagrees with."""

import torch
from torch import Tensor

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
from trainers.optimizers.transforms import (
    adaptive_lr,
    agreement_shares,
    average,
    block_means,
    descend,
    share_of,
)

LEAST_SHARE = 1e-3
"""Below this share of agreement steps are not scaled up any further."""


def cautious_adamw(momentum: Momentum = 0.9, beta2: Beta2 = 0.95, eps: Eps = 1e-15) -> Optimizer:
    """Adam's steps where average and gradient have one sign, scaled up to make up for the others.

    Update (t from 1, m = v = 0 before, means over a tensor):
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        c  = [m * g > 0],  c <- c / max(mean(c), 0.001)
        d  = c * m * sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)
        w <- w - lr * decay * w - lr * d
    The metric `agreement_share` is mean([m * g > 0]) over all parameters.

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study of Adam.
        beta2: 0 <= beta2 < 1; 0.95 in the study of Adam.
        eps: >= 1e-30, outside the root and before its correction; 1e-15 in the study of Adam.

    Source: arXiv 2411.16085, Algorithm 1; kyleliang919/C-Optim@2c0517c `c_adamw.py`. Centre of
        `lr`: the study's for Adam.

    Deviations: none. The rule of a single tensor is meant; that commit's fused one compares m with
        itself.
    """
    return chain(scale_by_cautious_adam(momentum, beta2, eps), descend())


def scale_by_cautious_adam(momentum: PerTrial, beta2: PerTrial, eps: PerTrial) -> Optimizer:
    """Adam's direction where the gradient agrees with it. Its state does not know of that."""
    return chain(average_squares(beta2), mask_and_divide(momentum, beta2, eps))


def average_squares(beta2: PerTrial) -> Optimizer:
    """The gradient as it is; the running average of its squares is kept."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"v": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        return grad, state | {"v": average(state["v"], grad.square(), beta2)}

    return Optimizer(init, update, elementwise=True)


def mask_and_divide(momentum: PerTrial, beta2: PerTrial, eps: PerTrial) -> Optimizer:
    """The average of gradients over the root of v, where the newest gradient agrees with it."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value), "agreement": value.new_zeros(len(value), 1)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value
        m, v = average(state["m"], grad, momentum), state["v"]
        agrees = (m * grad > 0).to(m.dtype)
        agreement = share_of(agrees)
        share = agreement.clamp(min=LEAST_SHARE)
        factor = (1 - beta2**context.step) ** 0.5 / (1 - momentum**context.step)
        direction = agrees.mul_(m).mul_(per_trial(factor, m) / share)
        new = state | {"m": m, "agreement": agreement.flatten(1)}
        return direction.div_(v.sqrt().add_(per_trial(eps, v))), new

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = block_means(state["v"], context.role)
        root = (1 - beta2**context.step) ** 0.5
        return adaptive_lr(v, eps, context) * per_trial(root, v)

    return Optimizer(init, update, effective_lr=effective_lr, shares=agreement_shares)
