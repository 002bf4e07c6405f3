"""Adam with a second, much slower average of gradients."""

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
    per_trial,
)
from trainers.optimizers.transforms import adaptive_lr, average, block_means, descend

Beta3 = Annotated[
    PerTrial,
    Hyperparameter(default=0.9999, high=1.0, help="factor of the slow average, in the end"),
]
Alpha = Annotated[
    PerTrial, Hyperparameter(default=8.0, help="weight of the slow average, in the end")
]


def ademamix(
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.999,
    beta3: Beta3 = 0.9999,
    alpha: Alpha = 8.0,
    eps: Eps = 1e-8,
    *,
    steps: int,
) -> Optimizer:
    """Adam's fast average plus `alpha` times one that remembers thousands of steps.

    Update (t from 1, m = s = v = 0 before; T steps in all, h(b) = log(1/2) / log(b)):
        m <- beta1 * m + (1 - beta1) * g,  v <- beta2 * v + (1 - beta2) * g^2
        s <- beta3_t * s + (1 - beta3_t) * g
             with h(beta3_t) = (1 - t/T) * h(beta1) + t/T * h(beta3): the half-life grows linearly
        d  = (m / (1 - beta1^t) + t/T * alpha * s) / (sqrt(v / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the paper.
        beta2: 0 <= beta2 < 1; 0.999 in the paper.
        beta3: 0 <= beta3 < 1; 0.9999 in the paper, for hundreds of thousands of steps.
        alpha: >= 0; 8 in the paper's language models (2 in the source). It is reached at the end.
        eps: >= 1e-30, outside the root and after its correction; 1e-8 in the source.
        steps: T, of the run: both warmups last as long, as the paper recommends.

    Source: arXiv 2409.03137, Algorithm 1; apple/ml-ademamix@e732715 `pytorch/ademamix.py`. Centre
        of `lr`: the study's for Adam.

    Deviations: the source adds 1e-8 to a beta before its logarithm, the paper does not; beta1 = 0
        is allowed either way, here because its half-life is 0.
    """
    return chain(scale_by_mixture(momentum, beta2, beta3, alpha, eps, steps=steps), descend())


def scale_by_mixture(
    momentum: PerTrial,
    beta2: PerTrial,
    beta3: PerTrial,
    alpha: PerTrial,
    eps: PerTrial,
    *,
    steps: int,
) -> Optimizer:
    """AdEMAMix's direction."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {name: torch.zeros_like(value) for name in ("m", "slow", "v")}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value
        progress = min(1.0, context.step / steps)
        m = average(state["m"], grad, momentum)
        slow = average(state["slow"], grad, lengthened(momentum, beta3, progress))
        v = average(state["v"], grad.square(), beta2)
        root = (1 - beta2**context.step) ** 0.5
        of_fast, of_slow = root / (1 - momentum**context.step), root * alpha * progress
        direction = (m * per_trial(of_fast, m)).addcmul_(slow, per_trial(of_slow, m))
        denominator = v.sqrt().add_(per_trial(eps * root, v))
        return direction.div_(denominator), state | {"m": m, "slow": slow, "v": v}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = block_means(state["v"], context.role)
        return adaptive_lr(v / per_trial(1 - beta2**context.step, v), eps, context)

    return Optimizer(init, update, elementwise=True, effective_lr=effective_lr)


def lengthened(start: PerTrial, end: PerTrial, progress: float) -> Tensor:
    """The factor whose half-life is that share of the way between those of two factors."""
    half_life = (1 - progress) * _half_life(start) + progress * _half_life(end)
    return torch.exp2(-1 / half_life)


def _half_life(beta: PerTrial) -> Tensor:
    """Steps after which a running average has forgotten half."""
    return -1 / torch.as_tensor(beta, dtype=torch.float64).log2()
