"""What Shampoo and its square share: a matrix preconditioner per side of a parameter."""

from dataclasses import dataclass
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
from trainers.optimizers.matrix import (
    SIDES,
    add_gram,
    inverse_root,
    sides_within,
    square_zeros,
)
from trainers.optimizers.transforms import adaptive_lr, block_means, no_state, running_average

FactorBeta = Annotated[
    PerTrial,
    Hyperparameter(
        default=0.95, high=1.0, open_high=False, help="factor of the preconditioners; 1 is a sum"
    ),
]
Damping = Annotated[
    PerTrial, Hyperparameter(default=1e-12, low=LEAST_EPS, help="added to every eigenvalue")
]
Frequency = Annotated[int, Option(low=1, help="steps between two computations of the roots")]
MaxDim = Annotated[int, Option(low=1, help="sides longer than this have no preconditioner")]
Graft = Annotated[bool, Option(help="steps of a matrix are as long as Adam's")]


@dataclass(frozen=True)
class Roots:
    """How preconditioners are used: `p = exponent / sides`, roots anew every `frequency` steps.

    In the first `frequency` steps they are computed at every one, as directions without a gradient
    so far would otherwise be blown up. A side longer than `limit` has no preconditioner.
    """

    exponent: float
    frequency: int
    limit: int
    graft: bool

    def sides(self, value: Tensor, role: ParamRole | None) -> tuple[str, ...]:
        """The sides of a parameter that have a preconditioner."""
        return sides_within(self.limit, value, role)

    def due(self, step: int) -> bool:
        """Whether the roots are computed at this step."""
        return step <= self.frequency or step % self.frequency == 0


def scale_by_roots(momentum: PerTrial, beta2: PerTrial, eps: PerTrial, roots: Roots) -> Optimizer:
    """`L^-p m R^-p` of the average `m` of gradients, as long as Adam's step if that is grafted.

    Where no side has a preconditioner, as in norms, it is the average over the root of averaged
    squares: the same rule for a diagonal, `p = 1 / 2`.
    """
    sides = [
        part
        for side in SIDES
        for part in (sum_grams(side, beta2, roots), take_roots(side, beta2, eps, roots))
    ]
    squares, average = sum_squares(beta2, roots), running_average(momentum)
    return chain(*sides, squares, average, precondition(momentum, beta2, eps, roots))


def sum_grams(side: str, beta2: PerTrial, roots: Roots) -> Optimizer:
    """The gradient as it is; one of its preconditioners is kept."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        return {side: square_zeros(side, value)} if side in roots.sides(value, role) else {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        if side not in state:
            return grad, state
        return grad, state | {side: add_gram(state[side], grad, side, beta2, newest_weight(beta2))}

    return Optimizer(init, update)


def take_roots(side: str, beta2: PerTrial, eps: PerTrial, roots: Roots) -> Optimizer:
    """The gradient as it is; the root of that preconditioner is kept."""
    name = f"{side}_root"

    def init(value: Tensor, role: ParamRole | None) -> State:
        return {name: square_zeros(side, value)} if side in roots.sides(value, role) else {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        if name not in state or not roots.due(context.step):
            return grad, state
        gram, sides = state[side], roots.sides(value, context.role)
        total = per_trial(total_weight(beta2, context.step), gram)
        damping = per_trial(eps, gram[:, 0])
        root = inverse_root(gram / total, damping, roots.exponent / len(sides))
        return grad, state | {name: root}

    return Optimizer(init, update)


def sum_squares(beta2: PerTrial, roots: Roots) -> Optimizer:
    """The gradient as it is; its squares are kept where steps are grafted, or there is no side."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        kept = roots.graft or not roots.sides(value, role)
        return {"v": torch.zeros_like(value)} if kept else {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        if "v" not in state:
            return grad, state
        return grad, state | {"v": accumulate(state["v"], grad.square(), beta2)}

    return Optimizer(init, update, elementwise=True)


def precondition(momentum: PerTrial, beta2: PerTrial, eps: PerTrial, roots: Roots) -> Optimizer:
    """The average that comes in, corrected, between the roots of both sides."""

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        step, sides = context.step, roots.sides(value, context.role)
        m_hat = grad / per_trial(1 - momentum**step, grad)
        direction = _preconditioned(m_hat, state)
        if "v" not in state:
            return direction, state
        along_diagonal = m_hat.div_(_diagonal(state["v"], beta2, eps, step))
        return (_as_long_as(along_diagonal, direction) if sides else along_diagonal), state

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        if "v" not in state:
            return context.lr[:, None]
        v = block_means(state["v"], context.role)
        return adaptive_lr(_diagonal(v, beta2, eps, context.step).square(), 0.0, context)

    return Optimizer(no_state, update, effective_lr=effective_lr)


def accumulate(old: Tensor, new: Tensor, beta: PerTrial) -> Tensor:
    """`beta * old + (1 - beta) * new`, and the sum of both where beta is 1."""
    return torch.addcmul(old * per_trial(beta, old), new, per_trial(newest_weight(beta), old))


def newest_weight(beta: PerTrial) -> Tensor:
    """What the newest term is multiplied with: `1 - beta`, and 1 for a sum."""
    beta = torch.as_tensor(beta, dtype=torch.float64)
    return torch.where(beta == 1, 1.0, 1 - beta)


def total_weight(beta: PerTrial, step: int) -> Tensor:
    """What to divide an accumulated average by, which started at zero; 1 for a sum."""
    beta = torch.as_tensor(beta, dtype=torch.float64)
    return torch.where(beta == 1, 1.0, 1 - beta**step)


def _preconditioned(m: Tensor, roots: State) -> Tensor:
    """`L^-p m R^-p` with the roots that there are."""
    if "left_root" in roots:
        m = roots["left_root"] @ m
    return m @ roots["right_root"] if "right_root" in roots else m


def _diagonal(v: Tensor, beta2: PerTrial, eps: PerTrial, step: int) -> Tensor:
    """The root of the corrected average of squares, damped like an eigenvalue."""
    return (v / per_trial(total_weight(beta2, step), v)).add_(per_trial(eps, v)).sqrt_()


def _as_long_as(model: Tensor, direction: Tensor) -> Tensor:
    """The direction with the norm of the model; zero stays zero."""
    length = torch.linalg.matrix_norm(direction, keepdim=True)
    wanted = torch.linalg.matrix_norm(model, keepdim=True)
    return direction * torch.where(length == 0, 0.0, wanted / length)
