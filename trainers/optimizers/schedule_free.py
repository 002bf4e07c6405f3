"""What the Schedule-Free optimizers share: a step at one point, evaluation at an average."""

from typing import Annotated

import torch
from torch import Tensor

from trainers.config import Hyperparameter
from trainers.optimizers.base import (
    Context,
    EvalParams,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    per_trial,
)

Interpolation = Annotated[
    PerTrial,
    Hyperparameter(
        default=0.9, high=1.0, open_low=True, help="share of the average where gradients are taken"
    ),
]


def average_iterates(momentum: PerTrial) -> Optimizer:
    """Steps `z` along what comes in and trains at `y`, between `z` and its average `x`.

    Last in a chain: it applies learning rate and decay. `weight` is the sum of the weights so far
    and `peak` the largest learning rate, both `(K,)` and in float64.
    """

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        nothing = torch.zeros(len(value), dtype=torch.float64, device=value.device)
        return {"z": value.clone(), "weight": nothing, "peak": nothing.clone()}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        peak = torch.maximum(state["peak"], context.lr.double())
        weight = state["weight"] + peak**2
        share = torch.where(weight == 0, 0.0, peak**2 / weight)
        along = torch.addcmul(grad, value, per_trial(context.decay, value))
        z = torch.addcmul(state["z"], along, per_trial(-context.lr, value))
        # y moves by share * (z_old - y) + lr * (beta1 * (1 - share) - 1) * along.
        rate = context.lr.double() * (momentum * (1 - share) - 1)
        delta = (state["z"] - value).mul_(per_trial(share, value))
        delta.addcmul_(along, per_trial(rate, value))
        return delta, state | {"z": z, "weight": weight, "peak": peak}

    return Optimizer(init, update, eval_params=average_of(momentum), elementwise=True)


def average_of(momentum: PerTrial) -> EvalParams:
    """`x = (y - (1 - beta1) * z) / beta1`, the average that is evaluated."""

    def eval_params(value: Tensor, state: State) -> Tensor:
        return torch.lerp(state["z"], value, per_trial(1 / momentum, value))

    return eval_params
