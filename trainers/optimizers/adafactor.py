"""Adafactor as the study has it: Adam with a factored second average."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

import torch
from torch import Tensor

from trainers.config import Option
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
    average,
    descend,
    no_state,
    running_average,
)

NeuronOnly = Annotated[bool, Option(help="whether a second average per output is all there is")]

AXES: Mapping[str, int] = {"row": 2, "column": 1}
"""Over which axis the mean of each factor is: outputs, inputs."""


def adafactor(
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-15,
    *,
    neuron_only: NeuronOnly = False,
) -> Optimizer:
    """Adam whose second average is a row times a column instead of a matrix (Adafactor*).

    Update (t from 1, m = R = C = 0 before, matrices):
        m <- beta1 * m + (1 - beta1) * g
        R_i <- beta2 * R_i + (1 - beta2) * mean_j(g_ij^2),  C_j likewise with mean_i
        V_ij = R_i * C_j / mean(R)
        d  = m / (1 - beta1^t) / (sqrt(V / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d
    neuron_only: V_ij is C_j, the average of output j alone; in the embedding R_i, of token i
    Norm scales: V is the running average of mean(g^2), one number per tensor.

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study.
        neuron_only: off in the study but for half of its runs over eps. It keeps no other average.

    Source: arXiv 2407.07972, `AdafactorW` in rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py`. Not
        the rule of arXiv 1804.04235: no update clipping, no parameter scaling, no schedule of
        beta2.

    Deviations: V = 0 where mean(R) is 0, as for a gradient that was zero from the first step on;
        the formula says 0 * 0 / 0 there. Queries, keys and values have factors of their own, as
        they are separate matrices here; there R and C are of the three together.
    """
    return chain(scale_by_factors(momentum, beta2, eps, neuron_only=neuron_only), descend())


def scale_by_factors(
    momentum: PerTrial, beta2: PerTrial, eps: PerTrial, *, neuron_only: bool = False
) -> Optimizer:
    """Adafactor*'s direction."""
    factors = average_factors(beta2, eps, neuron_only=neuron_only)
    return chain(factors, running_average(momentum), over_root(momentum, beta2, eps))


def average_factors(beta2: PerTrial, eps: PerTrial, *, neuron_only: bool) -> Optimizer:
    """The gradient as it is; the factors of averaged squares are kept."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        if role is ParamRole.NORM:
            return {"v": torch.zeros_like(value[:, :1])}
        kept = _kept(role, neuron_only=neuron_only)
        return {name: torch.zeros_like(value.select(AXES[name], 0)) for name in kept}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        return grad, state | _averages(grad.square(), state, beta2)

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = _block_means(state, context.role)
        return adaptive_lr(v / per_trial(1 - beta2**context.step, v), eps, context)

    return Optimizer(init, update, effective_lr=effective_lr)


def over_root(momentum: PerTrial, beta2: PerTrial, eps: PerTrial) -> Optimizer:
    """The average that comes in over the root of V, both corrected."""

    @lru_cache(maxsize=1)
    def corrections(step: int) -> tuple[PerTrial, PerTrial]:
        root = (1 - beta2**step) ** 0.5
        return root / (1 - momentum**step), eps * root

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        factor, corrected_eps = corrections(context.step)
        denominator = _root(state).add_(per_trial(corrected_eps, value))
        return (grad * per_trial(factor, value)).div_(denominator), state

    return Optimizer(no_state, update)


def _kept(role: ParamRole | None, *, neuron_only: bool) -> tuple[str, ...]:
    """The factors of a matrix, stored inputs x outputs, tokens x width if it is the embedding."""
    if neuron_only:
        return ("row",) if role is ParamRole.EMBEDDING else ("column",)
    return tuple(AXES)


def _averages(squares: Tensor, state: State, beta2: PerTrial) -> State:
    """The next second averages from the squared gradient."""
    if "v" in state:
        return {"v": average(state["v"], squares.mean(1, keepdim=True), beta2)}
    return {
        name: average(state[name], squares.mean(axis), beta2)
        for name, axis in AXES.items()
        if name in state
    }


def _root(moments: State) -> Tensor:
    """`sqrt(V)` as a new tensor that can be divided by; zero where everything is."""
    match moments:
        case {"row": row, "column": column}:
            mean = row.mean(1, keepdim=True)
            share = row / torch.where(mean == 0, 1, mean)
            return share.sqrt()[:, :, None] * column.sqrt()[:, None]
        case {"row": row}:
            return row.sqrt()[:, :, None]
        case {"column": column}:
            return column.sqrt()[:, None]
    return moments["v"].sqrt()


def _block_means(moments: State, role: ParamRole | None) -> Tensor:
    """The mean of V over each block, as in `transforms.block_means`, `(K, blocks)`."""
    if "v" in moments:
        return moments["v"]
    if role is ParamRole.LAST_LAYER:
        return moments["column"]
    return moments["row" if "row" in moments else "column"].mean(1, keepdim=True)
