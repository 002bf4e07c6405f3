"""What Shampoo and its square share: a matrix preconditioner per side of a parameter."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from trainers.config import Hyperparameter, Option
from trainers.optimizers.base import Context, Optimizer, ParamRole, PerTrial, State, per_trial
from trainers.optimizers.matrix import add_gram, inverse_root
from trainers.optimizers.transforms import adaptive_lr, average, block_means

FactorBeta = Annotated[
    PerTrial,
    Hyperparameter(
        default=0.95, high=1.0, open_high=False, help="factor of the preconditioners; 1 is a sum"
    ),
]
Damping = Annotated[
    PerTrial, Hyperparameter(default=1e-12, open_low=True, help="added to every eigenvalue")
]
Frequency = Annotated[int, Option(low=1, help="steps between two computations of the roots")]
MaxDim = Annotated[int, Option(low=1, help="sides longer than this have no preconditioner")]
Graft = Annotated[bool, Option(help="steps of a matrix are as long as Adam's")]

SIDES = ("left", "right")


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
        if role is ParamRole.NORM:
            return ()
        sizes = zip(SIDES, value.shape[1:], strict=True)
        return tuple(side for side, size in sizes if size <= self.limit)

    def due(self, step: int) -> bool:
        """Whether the roots are computed at this step."""
        return step <= self.frequency or step % self.frequency == 0


def scale_by_roots(momentum: PerTrial, beta2: PerTrial, eps: PerTrial, roots: Roots) -> Optimizer:
    """`L^-p m R^-p` of the average `m` of gradients, as long as Adam's step if that is grafted.

    Where no side has a preconditioner, as in norms, it is the average over the root of averaged
    squares: the same rule for a diagonal, `p = 1 / 2`.
    """

    def init(value: Tensor, role: ParamRole | None) -> State:
        sides = roots.sides(value, role)
        squares = {"v": torch.zeros_like(value)} if roots.graft or not sides else {}
        state = {"m": torch.zeros_like(value), **squares}
        for side in sides:
            size = value.shape[1 + SIDES.index(side)]
            state[side] = value.new_zeros(len(value), size, size)
            state[f"{side}_root"] = torch.zeros_like(state[side])
        return state

    def factors(grad: Tensor, state: State, sides: tuple[str, ...], step: int) -> State:
        new: State = {}
        for side in sides:
            gram = add_gram(state[side], grad, side, beta2, newest_weight(beta2))
            if roots.due(step):
                mean = gram / per_trial(total_weight(beta2, step), gram)
                damping = per_trial(eps, gram[:, 0])
                root = inverse_root(mean, damping, roots.exponent / len(sides))
            else:
                root = state[f"{side}_root"]
            new |= {side: gram, f"{side}_root": root}
        return new

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        step, sides = context.step, roots.sides(value, context.role)
        m = average(state["m"], grad, momentum)
        m_hat = m / per_trial(1 - momentum**step, m)
        new = {"m": m} | factors(grad, state, sides, step)
        direction = _preconditioned(m_hat, new)
        if "v" in state:
            new["v"] = accumulate(state["v"], grad.square(), beta2)
            along_diagonal = m_hat.div_(_diagonal(new["v"], beta2, eps, step))
            direction = _as_long_as(along_diagonal, direction) if sides else along_diagonal
        return direction, state | new

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        if "v" not in state:
            return context.lr[:, None]
        v = block_means(state["v"], context.role)
        return adaptive_lr(_diagonal(v, beta2, eps, context.step).square(), 0.0, context)

    return Optimizer(init, update, effective_lr=effective_lr)


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
