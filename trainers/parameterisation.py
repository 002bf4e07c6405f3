"""How a model depends on its width: as is standard, or so that learning rates carry over.

Maximal update parameterisation (muP; Yang, Hu et al., arXiv 2203.03466, Table 8), relative to a
base width at which it is the standard one. With `m = width / base_width`:

| parameters | initial std | factor in the forward pass | Adam's lr | SGD's lr |
|---|---|---|---|---|
| embedding, norm scales | that of the base width | 1 | 1 | m |
| hidden matrices | 1 / sqrt(fan in), as is standard | 1 | 1 / m | 1 |
| output | that of the base width | 1 / m | 1 | m |

Attention is over `d` instead of `sqrt(d)`: its scale is `sqrt(base_head_width) / head_width`.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from trainers.config import ModelConfig
from trainers.optimizers.base import (
    Context,
    Entry,
    Optimizer,
    ParamRole,
    State,
    WidthScaling,
)

HIDDEN = frozenset(
    {
        ParamRole.ATTENTION_Q,
        ParamRole.ATTENTION_K,
        ParamRole.ATTENTION_V,
        ParamRole.ATTENTION_OUT,
        ParamRole.MLP,
    }
)
"""Roles of parameters both of whose sides grow with the width."""


def table_std(model: ModelConfig) -> float:
    """Initial standard deviation of the token table and of the output layer."""
    return float((model.width / model.width_multiplier) ** -0.5)


def output_factor(model: ModelConfig) -> float:
    """What logits are multiplied with."""
    return 1 / model.width_multiplier


def attention_scale(model: ModelConfig) -> float | None:
    """What products of queries and keys are multiplied with; None: `1 / sqrt(head_width)`."""
    if model.parameterisation == "standard" or model.head_width == model.base_head_width:
        return None
    return math.sqrt(model.base_head_width) / model.head_width


def lr_factors(model: ModelConfig, scaling: WidthScaling) -> dict[ParamRole, float]:
    """What the learning rate of each role is multiplied with."""
    m = model.width_multiplier
    hidden, others = {"adam": (1 / m, 1.0), "sgd": (1.0, m), "spectral": (1.0, 1.0)}[scaling]
    return {role: hidden if role in HIDDEN else others for role in ParamRole}


def problem(name: str, entry: Entry, model: ModelConfig) -> str | None:
    """Why the optimizer cannot train the model, or None."""
    if model.parameterisation == "standard":
        return None
    if entry.scaling is None:
        return f"{name} has no learning rates for mup: {entry.unscaled}"
    if entry.scaling == "sgd" and model.qk_norm == "head":
        return f"{name} has no learning rate for scales that all heads share: qk_norm is head"
    return None


def at_width(optimizer: Optimizer, model: ModelConfig, scaling: WidthScaling | None) -> Optimizer:
    """The optimizer with a learning rate for each role; the same one where all rates are equal.

    Decay does not follow: a step at peak shrinks all weights alike, at any width.
    """
    if scaling is None or model.parameterisation == "standard":
        return optimizer
    factors = lr_factors(model, scaling)
    return optimizer if set(factors.values()) == {1.0} else _by_role(optimizer, factors)


def _by_role(optimizer: Optimizer, factors: Mapping[ParamRole, float]) -> Optimizer:
    """One tensor at a time, and in no parts: each of them would have to know of the factors."""
    assert optimizer.curvature is None, "no optimizer that scales with the width looks twice"

    def own(context: Context) -> Context:
        assert context.role is not None, "learning rates go by role"
        factor = factors[context.role]
        lr, peak_lr = context.lr * factor, context.peak_lr * factor
        return replace(context, lr=lr, peak_lr=peak_lr, decay=context.decay / factor)

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return optimizer.update(grad, state, value, own(context))

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        assert optimizer.effective_lr is not None
        return optimizer.effective_lr(state, value, own(context))

    return Optimizer(
        optimizer.init,
        update,
        prepare=optimizer.prepare,
        eval_params=optimizer.eval_params,
        effective_lr=None if optimizer.effective_lr is None else effective_lr,
        shares=optimizer.shares,
    )
