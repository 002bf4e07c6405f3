"""Sophia-G: averaged gradients over a sampled curvature, each element clipped to one."""

from typing import Annotated

import torch
from torch import Tensor

from trainers.config import Hyperparameter, Option
from trainers.optimizers.base import (
    Beta2,
    Context,
    Curvature,
    Momentum,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
    per_trial,
)
from trainers.optimizers.transforms import average, block_means, descend, share_of

TINY = 1e-15
"""Keeps the quotient defined where there is no curvature yet; as in the source."""

Rho = Annotated[
    PerTrial,
    Hyperparameter(
        default=0.05, open_low=True, help="scale of the curvature: less of it clips more elements"
    ),
]
CurvatureFrequency = Annotated[
    int, Option(low=1, help="steps between two estimates of the curvature")
]


def sophia(
    tokens_per_batch: int,
    momentum: Momentum = 0.965,
    beta2: Beta2 = 0.99,
    rho: Rho = 0.05,
    curvature_frequency: CurvatureFrequency = 10,
) -> Optimizer:
    """Steps of Newton's method where the curvature is large, of Signum where it is not.

    Update (m = h = 0 before; B = tokens per batch):
        m <- beta1 * m + (1 - beta1) * g
        d  = sign(m) * min(|m| / (rho * B * h + 1e-15), 1)
        w <- w - lr * decay * w - lr * d
    After every curvature_frequency-th step, with the gradient g' of the mean loss of the next
    batch whose labels are drawn from the model's own predictions, clipped like g:
        h <- beta2 * h + (1 - beta2) * g'^2
    The metric `sophia_unclipped_share` is that of elements with |m| < rho * B * h.

    Args:
        tokens_per_batch: B, which makes the curvature one of the summed loss.
        momentum: beta1, 0 <= momentum < 1; 0.965 in the source.
        beta2: 0 <= beta2 < 1; 0.99 in the source.
        rho: > 0; 0.05 to 0.08 in the source, which has it keep the unclipped share within 0.1 to
            0.5.
        curvature_frequency: >= 1; 10 in the paper.

    Source: arXiv 2305.14342, Algorithm 3 with the Gauss-Newton-Bartlett estimator; `sophia.py` and
        `train_sophiag.py` in Liuhong99/Sophia@a7e1572, whose learning rate at 125M is the centre
        here.

    Deviations: none from that code. The study's code counts B as 131,072 whatever the batch, draws
        labels on the batch of the step and sums over micro-batches; this follows the original.
    """
    direction = scale_by_clipped_curvature(
        momentum, beta2, rho * tokens_per_batch, curvature_frequency
    )
    return chain(direction, descend())


def scale_by_clipped_curvature(
    momentum: PerTrial, beta2: PerTrial, scale: PerTrial, every: int
) -> Optimizer:
    """Sophia's direction, with `scale` times the curvature below the average."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value), "h": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del context
        m = average(state["m"], grad, momentum)
        denominator = (state["h"] * per_trial(scale, value)).add_(TINY)
        direction = torch.div(m, denominator, out=denominator).clamp_(-1.0, 1.0)
        return direction, state | {"m": m}

    def estimate(grad: Tensor, state: State, value: Tensor, context: Context) -> State:
        del value, context
        return state | {"h": average(state["h"], grad.square(), beta2)}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        """Of the larger of curvature and average, which is what the average was divided by."""
        divisors = torch.maximum(state["h"] * per_trial(scale, value), state["m"].abs())
        means = block_means(divisors, context.role)
        return per_trial(context.lr, means) / (means + TINY)

    def shares(state: State, value: Tensor) -> dict[str, Tensor]:
        unclipped = state["m"].abs() < state["h"] * per_trial(scale, value)
        return {"sophia_unclipped_share": share_of(unclipped.to(value.dtype)).flatten()}

    return Optimizer(
        init,
        update,
        elementwise=True,
        curvature=Curvature(every, estimate),
        effective_lr=effective_lr,
        shares=shares,
    )
