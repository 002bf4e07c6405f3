"""Adagrad: gradients over the root of the sum of their squares."""

import torch
from torch import Tensor

from trainers.optimizers.base import (
    Context,
    Eps,
    Optimizer,
    ParamRole,
    PerTrial,
    State,
    chain,
    per_trial,
)
from trainers.optimizers.transforms import adaptive_lr, block_means, descend


def adagrad(eps: Eps = 1e-10) -> Optimizer:
    """Steps that shrink element by element as squares of gradients add up.

    Update (s = 0 before the first step):
        s <- s + g^2
        w <- w - lr * decay * w - lr * g / (sqrt(s) + eps)

    Args:
        eps: >= 1e-30, outside the root; 1e-10, PyTorch's default.

    Source: Duchi, Hazan, Singer 2011 (JMLR 12), the diagonal case of Figure 1; PyTorch's
        `Adagrad`, whose default learning rate is the centre here, as the study has none.

    Deviations: decay is decoupled; PyTorch adds it to the gradient.
    """
    return chain(scale_by_sum_of_squares(eps), descend())


def scale_by_sum_of_squares(eps: PerTrial) -> Optimizer:
    """Adagrad's direction."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"s": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del context
        s = torch.addcmul(state["s"], grad, grad)
        denominator = s.sqrt().add_(per_trial(eps, value))
        return torch.div(grad, denominator, out=denominator), state | {"s": s}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        return adaptive_lr(block_means(state["s"], context.role), eps, context)

    return Optimizer(init, update, elementwise=True, effective_lr=effective_lr)
