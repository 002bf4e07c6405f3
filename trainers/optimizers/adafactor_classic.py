"""Adafactor as published: no momentum, clipped updates, steps relative to the weights."""

from typing import Annotated

import torch
from torch import Tensor

from trainers.config import LEAST_EPS, Hyperparameter, Option
from trainers.optimizers.base import (
    Context,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
    per_trial,
)
from trainers.optimizers.transforms import adaptive_lr, average, block_means, descend

DecayExponent = Annotated[
    PerTrial, Hyperparameter(default=0.8, open_low=True, help="beta2 at step t is 1 - t^-this")
]
ClipThreshold = Annotated[
    PerTrial,
    Hyperparameter(default=1.0, open_low=True, help="largest root mean square of an update"),
]
MinScale = Annotated[
    PerTrial,
    Hyperparameter(default=1e-3, open_low=True, help="least scale of a step relative to weights"),
]
SquareEps = Annotated[
    PerTrial, Hyperparameter(default=1e-30, low=LEAST_EPS, help="added to squared gradients")
]
MinDimFactored = Annotated[
    int, Option(low=1, help="smallest side of matrices whose second average is factored")
]


def adafactor_classic(
    decay_exponent: DecayExponent = 0.8,
    clip_threshold: ClipThreshold = 1.0,
    min_scale: MinScale = 1e-3,
    eps: SquareEps = 1e-30,
    min_dim_factored: MinDimFactored = 128,
) -> Optimizer:
    """A second average of rows and columns alone, with steps in proportion to the weights.

    Update (t from 1, R = C = 0 before, beta = 1 - t^-decay_exponent):
        R_i <- beta * R_i + (1 - beta) * mean_j(g_ij^2 + eps),  C_j likewise with mean_i
        V_ij = R_i * C_j / mean(R)
        u  = g / sqrt(V),  u <- u / max(1, rms(u) / clip_threshold)
        w <- w - lr * decay * w - lr * max(min_scale, rms(w)) * u
    Norm scales and matrices with a side below min_dim_factored: V is the average of g^2 + eps.

    Args:
        decay_exponent: > 0; 0.8 in the paper.
        clip_threshold: > 0; 1.0 in the paper.
        min_scale: > 0; the paper's epsilon_2, 1e-3.
        eps: >= 1e-30; the paper's epsilon_1, 1e-30.
        min_dim_factored: >= 1; 128, optax's default.

    Source: arXiv 1804.04235, Algorithms 4 and 5; `optax/_src/factorized.py` in
        google-deepmind/optax@2edbcbe. The learning rate is the paper's relative step size, whose
        largest value, 1e-2, is the centre here, as the study has none.

    Deviations: decay is times the scheduled learning rate; optax's is not. Queries, keys and values
        have factors, clipping and scales of their own, as they are separate matrices here.
    """
    direction = scale_by_classic_factors(decay_exponent, eps, min_dim_factored)
    return chain(direction, clip_and_scale(clip_threshold, min_scale), descend())


def scale_by_classic_factors(
    decay_exponent: PerTrial, eps: PerTrial, min_dim_factored: int
) -> Optimizer:
    """The gradient over the root of V."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        if role is ParamRole.NORM or min(value.shape[1:]) < min_dim_factored:
            return {"v": torch.zeros_like(value)}
        return {"row": torch.zeros_like(value[:, :, 0]), "column": torch.zeros_like(value[:, 0])}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value
        beta = 1 - context.step ** (-decay_exponent)
        moments = averaged_squares(grad, state, eps, beta)
        root = _v(moments).sqrt_()
        return torch.div(grad, root, out=root), state | moments

    return Optimizer(init, update)


def averaged_squares(grad: Tensor, state: State, eps: PerTrial, beta: PerTrial) -> State:
    """The second averages that there are, with the gradient's."""
    squares = grad.square().add_(per_trial(eps, grad))
    reduced = {
        "v": lambda: squares,
        "row": lambda: squares.mean(2),
        "column": lambda: squares.mean(1),
    }
    return {name: average(state[name], reduced[name](), beta) for name in reduced if name in state}


def _v(moments: State) -> Tensor:
    """The second average of every element, as a new tensor."""
    if "v" in moments:
        return moments["v"].clone()
    row, column = moments["row"], moments["column"]
    return (row / row.mean(1, keepdim=True))[:, :, None] * column[:, None]


def clip_and_scale(threshold: PerTrial, min_scale: PerTrial) -> Optimizer:
    """What comes in, with a root mean square of at most the threshold, times that of the weights.

    Or times `min_scale` if that is more. The state is what both came to, for the report.
    """

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"factor": value.new_ones(len(value), 1)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del context
        clip = (root_mean_square(grad) / per_trial(threshold, value)).clamp(min=1.0)
        scale = torch.maximum(root_mean_square(value), per_trial(min_scale, value))
        return (grad / clip).mul_(scale), state | {"factor": (scale / clip).flatten(1)}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = block_means(_v(state), context.role)
        return adaptive_lr(v, 0.0, context) * state["factor"]

    return Optimizer(init, update, effective_lr=effective_lr)


def root_mean_square(x: Tensor) -> Tensor:
    """Over everything but trials, `(K, 1, …)`."""
    return x.square().mean(tuple(range(1, x.dim())), keepdim=True).sqrt()
