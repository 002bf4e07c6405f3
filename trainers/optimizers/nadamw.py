"""Adam with Nesterov's look ahead and decoupled weight decay."""

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
from trainers.optimizers.transforms import adaptive_lr, average, block_means, descend

CorrectAhead = Annotated[
    bool, Option(help="correct the average for the next step instead of for this one")
]


def nadamw(
    momentum: Momentum = 0.9,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-15,
    *,
    correct_ahead: CorrectAhead = False,
) -> Optimizer:
    """Adam whose average already counts the gradient as the next step will.

    Update (t from 1, m = v = 0 before):
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        n  = (beta1 * m + (1 - beta1) * g) / (1 - beta1^t)
        d  = n / (sqrt(v / (1 - beta2^t)) + eps)
        w <- w - lr * decay * w - lr * d
    With `correct_ahead`: n = beta1 * m / (1 - beta1^(t+1)) + (1 - beta1) * g / (1 - beta1^t).

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.9 in the study of Adam.
        beta2: 0 <= beta2 < 1; 0.95 in the study of Adam.
        eps: >= 1e-30, outside the root and after its correction; 1e-15 in the study of Adam.
        correct_ahead: which of the two published numerators; false in AlgoPerf, true in optax.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam" (ICLR 2016 workshop); the first form
        is mlcommons/algorithmic-efficiency@2c90454 `pytorch_nadamw_full_budget.py`, the second
        `scale_by_adam(nesterov=True)` of google-deepmind/optax@2edbcbe. PyTorch's NAdam is a third
        rule, with a schedule of beta1.

    Deviations: none in exact arithmetic; the numerator is computed beside m, not by changing it
        and dividing by beta1 later, so that beta1 = 0 is allowed.
    """
    return chain(scale_by_nadam(momentum, beta2, eps, ahead=int(correct_ahead)), descend())


def scale_by_nadam(momentum: PerTrial, beta2: PerTrial, eps: PerTrial, *, ahead: int) -> Optimizer:
    """NAdam's direction; the average is corrected for `ahead` more steps than were taken."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value), "v": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        m = average(state["m"], grad, momentum)
        v = average(state["v"], grad.square(), beta2)
        root = (1 - beta2**context.step) ** 0.5
        of_average = root * momentum / (1 - momentum ** (context.step + ahead))
        of_grad = root * (1 - momentum) / (1 - momentum**context.step)
        denominator = v.sqrt().add_(per_trial(eps * root, value))
        direction = (grad * per_trial(of_grad, value)).addcmul_(m, per_trial(of_average, value))
        return direction.div_(denominator), state | {"m": m, "v": v}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = block_means(state["v"], context.role)
        return adaptive_lr(v / per_trial(1 - beta2**context.step, v), eps, context)

    return Optimizer(init, update, elementwise=True, effective_lr=effective_lr)
