"""Lion that leaves out what the newest gradient disagrees with."""

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
from trainers.optimizers.transforms import agreement_shares, average, descend, share_of, sign


def cautious_lion(momentum: Momentum = 0.9, beta2: Beta2 = 0.95) -> Optimizer:
    """Lion's steps where they have the gradient's sign, scaled up to make up for the others.

    Update (m = 0 before the first step; n elements in a tensor, counts over it):
        u  = beta1 * m + (1 - beta1) * g
        m <- beta2 * m + (1 - beta2) * g
        c  = [u * g > 0],  c <- c * n / (count(c) + 1)
        w <- w - lr * decay * w - lr * c * sign(u)
    The metric `agreement_share` is mean([u * g > 0]) over all parameters.

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study of Lion.
        beta2: 0 <= beta2 < 1; 0.95 in the study of Lion (0.99 in Lion's paper).

    Source: arXiv 2411.16085; kyleliang919/C-Optim@2c0517c `c_lion.py`. Centre of `lr`: the study's
        for Lion.

    Deviations: the source multiplies g with the sign of u. Where u * g is below the least number of
        fp32, as of two that are below 1e-19, they do not count as agreeing here.
    """
    return chain(sign_where_agreed(momentum, beta2), descend())


def sign_where_agreed(momentum: PerTrial, beta2: PerTrial) -> Optimizer:
    """Lion's sign where the gradient has it, times all elements over one more than those."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value), "agreement": value.new_zeros(len(value), 1)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del context
        direction, agreement = _agreed(average(state["m"], grad, momentum), grad)
        new = {"m": average(state["m"], grad, beta2), "agreement": agreement.flatten(1)}
        return direction.div_(agreement + 1 / value[0].numel()), new

    return Optimizer(init, update, shares=agreement_shares)


def _agreed(u: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of u where the gradient has it, and the share of elements where it has."""
    agrees = (u * grad > 0).to(u.dtype)
    return sign(u).mul_(agrees), share_of(agrees)
