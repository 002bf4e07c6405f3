"""Orthogonalised averages for the hidden matrices, Adam for everything else."""

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
    partition,
)
from trainers.optimizers.matrix import newton_schulz
from trainers.optimizers.transforms import at_own_lr, average, descend, scale_by_adam

AdamLr = Annotated[
    PerTrial,
    Hyperparameter(default=3e-4, open_low=True, help="peak learning rate of Adam's parameters"),
]
AdamMomentum = Annotated[
    PerTrial, Hyperparameter(default=0.9, high=1.0, help="factor of Adam's average of gradients")
]

WITH_ADAM = (ParamRole.EMBEDDING, ParamRole.NORM, ParamRole.LAST_LAYER)


def muon(
    momentum: Momentum = 0.95,
    adam_lr: AdamLr = 3e-4,
    adam_momentum: AdamMomentum = 0.9,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-10,
) -> Optimizer:
    """Steps of hidden matrices have singular values near one, whatever the gradient's were.

    Update (m = 0 before; hidden matrices, stored inputs x outputs):
        m <- mu * m + (1 - mu) * g,  u = mu * m + (1 - mu) * g
        X  = u / (|u| + 1e-7), then 5 times X <- 3.4445 X + (-4.7750 A + 2.0315 A^2) X, A = X X^T
        w <- w - lr * decay * w - lr * sqrt(max(1, outputs / inputs)) * X
    Embedding, last layer and norm scales: AdamW at `adam_lr`, on the same schedule.

    Args:
        momentum: mu, 0 <= momentum < 1; 0.95 in the source. The step looks ahead (Nesterov).
        adam_lr: > 0, peak of AdamW's learning rate; 3e-4 in the source. `lr` is the matrices'.
        adam_momentum: AdamW's beta1, 0 <= adam_momentum < 1; 0.9 in the source.
        beta2: AdamW's, 0 <= beta2 < 1; 0.95 in the source.
        eps: AdamW's, >= 1e-30; 1e-10 in the source.

    Source: KellerJordan/Muon@857d1ad `muon.py`, `MuonWithAuxAdam` (blog post "Muon: An optimizer
        for hidden layers in neural networks"). Centre of `lr`: 0.02, its default.

    Deviations: the iteration runs in the parameter's precision, where the source always takes
        bf16. Every parameter decays alike; in the source a group decays by its own learning rate.
        Queries, keys and values are orthogonalised one by one, as they are separate matrices here.
    """
    adam = at_own_lr(scale_by_adam(adam_momentum, beta2, eps), adam_lr)
    groups = dict.fromkeys(ParamRole, orthogonalise(momentum)) | dict.fromkeys(WITH_ADAM, adam)
    return chain(partition(groups), descend())


def orthogonalise(momentum: PerTrial) -> Optimizer:
    """Muon's direction of a matrix."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del context
        m = average(state["m"], grad, momentum)
        inputs, outputs = value.shape[1:]
        direction = newton_schulz(average(m, grad, momentum))
        return direction.mul(max(1.0, outputs / inputs) ** 0.5), {"m": m}

    return Optimizer(init, update)
