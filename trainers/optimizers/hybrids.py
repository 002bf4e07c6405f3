"""Hybrids of the study: SGD everywhere but in the last layer and, in some, in the norms."""

from collections.abc import Iterable
from typing import Annotated

from torch import Tensor

from trainers.config import Hyperparameter
from trainers.optimizers.adafactor import scale_by_factors
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
    partition,
    per_trial,
)
from trainers.optimizers.blocks import per_logit, scale_by_blocks
from trainers.optimizers.transforms import at_own_lr, descend, running_average

LastLayerLr = Annotated[
    PerTrial,
    Hyperparameter(
        default=3.16e-3, open_low=True, help="peak learning rate of the adaptive parameters"
    ),
]


def adalayer_sgd_last(
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-15,
    last_layer_lr: LastLayerLr = 3.16e-3,
) -> Optimizer:
    """Adalayer* in the last layer, averaged gradients elsewhere.

    Update (t from 1, m = v = 0 before):
        m <- beta1 * m + (1 - beta1) * g,  m_hat = m / (1 - beta1^t)
        v_j <- beta2 * v_j + (1 - beta2) * mean_i(g_ij^2)              (columns of the last layer)
        last layer: w <- w - lr * decay * w - lr_last * m_hat / (sqrt(v / (1 - beta2^t)) + eps)
        elsewhere:  w <- w - lr * decay * w - lr * m_hat

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study.
        last_layer_lr: > 0, peak of lr_last, which follows the schedule of `lr`; 3.16e-3 in the
            study.

    Source: arXiv 2407.07972; `AdalayerWLast` in rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py`.
        The study sweeps `lr` from 0.1 to 3160; the centre here is the point of that grid nearest
        its SGD's 1.0 at momentum 0.98, which is 50 for an average.

    Deviations: every parameter decays alike, by `weight_decay` per step at peak; in the source the
        last layer's decay is times its own learning rate, but divided by the other one's peak.
    """
    adaptive = scale_by_blocks(momentum, beta2, eps, per_logit)
    return _hybrid(momentum, adaptive, last_layer_lr, [ParamRole.LAST_LAYER])


def adalayer_sgd(
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-15,
    last_layer_lr: LastLayerLr = 3.16e-3,
) -> Optimizer:
    """Adalayer* in the last layer and the norms, averaged gradients elsewhere.

    Update (t from 1, m = v = 0 before; blocks: columns of the last layer, each norm's scales):
        m <- beta1 * m + (1 - beta1) * g,  m_hat = m / (1 - beta1^t)
        v <- beta2 * v + (1 - beta2) * mean_block(g^2)
        blocks:    w <- w - lr * decay * w - lr_last * m_hat / (sqrt(v / (1 - beta2^t)) + eps)
        elsewhere: w <- w - lr * decay * w - lr * m_hat

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study.
        last_layer_lr: > 0, peak of lr_last, which follows the schedule of `lr`; 3.16e-3 in the
            study.

    Source: arXiv 2407.07972; `AdalayerWLast` with `update_norm` in
        rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py`. Centre of `lr` as of `adalayer_sgd_last`.

    Deviations: every parameter decays alike, by `weight_decay` per step at peak; in the source the
        decay of blocks is times their own learning rate, but divided by the other one's peak.
    """
    adaptive = scale_by_blocks(momentum, beta2, eps, per_logit)
    return _hybrid(momentum, adaptive, last_layer_lr, [ParamRole.LAST_LAYER, ParamRole.NORM])


def adafactor_sgd(
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-15,
    last_layer_lr: LastLayerLr = 3.16e-3,
) -> Optimizer:
    """The study's Adafactor in the last layer and the norms, averaged gradients elsewhere.

    Update (t from 1, m = R = C = 0 before):
        m <- beta1 * m + (1 - beta1) * g,  m_hat = m / (1 - beta1^t)
        last layer: V_ij = R_i * C_j / mean(R) of running averages of mean_j(g^2), mean_i(g^2)
        norms: V is the running average of mean(g^2), one number per tensor
        both:      w <- w - lr * decay * w - lr_last * m_hat / (sqrt(V / (1 - beta2^t)) + eps)
        elsewhere: w <- w - lr * decay * w - lr * m_hat

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study.
        beta2: 0 <= beta2 < 1; 0.95 in the study.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study.
        last_layer_lr: > 0, peak of lr_last, which follows the schedule of `lr`; 3.16e-3 in the
            study.

    Source: arXiv 2407.07972; `AdafactorWLast` in rosieyzh/optimizers-llm@a1f8a3f `olmo/optim.py`.
        Centre of `lr` as of `adalayer_sgd_last`.

    Deviations: every parameter decays alike, by `weight_decay` per step at peak; in the source the
        decay of both is times their own learning rate, but divided by the other one's peak.
    """
    adaptive = scale_by_factors(momentum, beta2, eps)
    return _hybrid(momentum, adaptive, last_layer_lr, [ParamRole.LAST_LAYER, ParamRole.NORM])


def _hybrid(
    momentum: PerTrial, adaptive: Optimizer, lr: PerTrial, roles: Iterable[ParamRole]
) -> Optimizer:
    """The adaptive part for these roles at its own learning rate, averaged gradients elsewhere."""
    average = chain(running_average(momentum), correct_bias(momentum))
    groups = dict.fromkeys(ParamRole, average) | dict.fromkeys(roles, at_own_lr(adaptive, lr))
    return chain(partition(groups), descend())


def correct_bias(momentum: PerTrial) -> Optimizer:
    """What comes in over `1 - momentum^t`, as for a running average that started at zero."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del value, role
        return {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return grad / per_trial(1 - momentum**context.step, value), state

    return Optimizer(init, update, elementwise=True)
