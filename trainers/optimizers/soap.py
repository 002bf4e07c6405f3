"""Adam in the eigenbasis of Shampoo's preconditioner."""

from collections.abc import Callable
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
from trainers.optimizers.matrix import (
    SIDES,
    add_gram,
    eigenbasis,
    orthonormal,
    sides_within,
    square_zeros,
)
from trainers.optimizers.transforms import adaptive_lr, average, no_state

Frequency = Annotated[int, Option(low=1, help="steps between two updates of the eigenbases")]
MaxDim = Annotated[int, Option(low=1, help="sides longer than this are not rotated")]

Rotation = Callable[[Tensor, State, tuple[str, ...]], Tensor]


def soap(
    momentum: Momentum = 0.95,
    beta2: Beta2 = 0.95,
    eps: Eps = 1e-8,
    *,
    precondition_frequency: Frequency = 10,
    max_precond_dim: MaxDim = 10_000,
) -> Optimizer:
    """Adam on gradients that are rotated so that their squares are about a row times a column.

    Update (t from 0, M = V = L = R = 0 before; Q_L, Q_R orthogonal):
        t = 0: L <- (1 - beta2) G G^T,  R <- (1 - beta2) G^T G,  Q = their eigenvectors, no step
        G' = Q_L^T G Q_R,  M <- beta1 * M + (1 - beta1) * G',  V <- beta2 * V + (1 - beta2) * G'^2
        N  = Q_L (M / (sqrt(V) + eps)) Q_R^T
        w <- w - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * N,  then  w <- w - lr * decay * w
        L, R <- running averages of G G^T, G^T G with beta2
        every f steps: Q ordered by diag(Q^T L Q), V with it, then Q <- qr(L Q), and M rotated anew
    Norm scales: Adam with the same eps, corrections, pause at t = 0 and decay after the step.

    Args:
        momentum: beta1, 0 <= momentum < 1; 0.95 in the source.
        beta2: 0 <= beta2 < 1; 0.95 in the source. Also that of L and R.
        eps: >= 1e-30, outside the root and before its correction; 1e-8 in the source. Much less
            turns round-off in directions without a gradient into steps of full size.
        precondition_frequency: f >= 1; 10 in the source.
        max_precond_dim: a longer side has Q = 1 and keeps no matrix, which makes SOAP one-sided;
            10,000 in the source.

    Source: arXiv 2409.11321, Algorithm 3; nikhilvyas/SOAP@a1e5535 `soap.py`, which is followed
        where both differ (M is rotated, eps is outside the root). Centre of `lr`: 3.16e-3, the grid
        point next to its default 3e-3.

    Deviations: M stays rotated between updates of the bases, instead of being rotated forth and
        back at every step; equal in exact arithmetic. Queries, keys and values have bases of their
        own, as they are separate matrices here. A basis of a matrix that is not finite is NaN,
        which ends that trial alone.
    """
    limit = max_precond_dim
    direction = scale_by_soap(momentum, beta2, eps, frequency=precondition_frequency, limit=limit)
    return chain(direction, descend_then_decay())


def scale_by_soap(
    momentum: PerTrial, beta2: PerTrial, eps: PerTrial, *, frequency: int, limit: int
) -> Optimizer:
    """SOAP's direction; zero on the first call."""
    grams = (average_gram(side, beta2, limit) for side in SIDES)
    turns = (turn_basis(side, frequency, limit) for side in SIDES)
    back, forth = (rotate_average(frequency, limit, way) for way in (_rotate_back, _rotate))
    return chain(*grams, adam_in_basis(momentum, beta2, eps, limit), back, *turns, forth)


def average_gram(side: str, beta2: PerTrial, limit: int) -> Optimizer:
    """The gradient as it is; L or R is kept."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        return {side: square_zeros(side, value)} if side in sides_within(limit, value, role) else {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value, context
        if side not in state:
            return grad, state
        return grad, state | {side: add_gram(state[side], grad, side, beta2, 1 - beta2)}

    return Optimizer(init, update)


def adam_in_basis(momentum: PerTrial, beta2: PerTrial, eps: PerTrial, limit: int) -> Optimizer:
    """Adam's direction of the rotated gradient, rotated back; zero on the first call."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del role
        return {"m": torch.zeros_like(value), "v": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        step, sides = context.step - 1, sides_within(limit, value, context.role)
        if step == 0:
            return torch.zeros_like(value), state
        rotated = _rotate(grad, state, sides)
        m = average(state["m"], rotated, momentum)
        v = average(state["v"], rotated.square_(), beta2)
        correction = (1 - beta2**step) ** 0.5 / (1 - momentum**step)
        scaled = (m / v.sqrt().add_(per_trial(eps, v))).mul_(per_trial(correction, v))
        return _rotate_back(scaled, state, sides), state | {"m": m, "v": v}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = state["v"].flatten(1).mean(1, keepdim=True)
        root = (1 - beta2 ** (context.step - 1)) ** 0.5
        return adaptive_lr(v, eps, context) * per_trial(root, v)

    return Optimizer(init, update, effective_lr=effective_lr)


def rotate_average(frequency: int, limit: int, way: Rotation) -> Optimizer:
    """What comes in as it is; M is rotated that way when the bases are turned."""

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        sides = sides_within(limit, value, context.role)
        if not sides or not _due(context.step, frequency):
            return grad, state
        return grad, state | {"m": way(state["m"], state, sides)}

    return Optimizer(no_state, update)


def turn_basis(side: str, frequency: int, limit: int) -> Optimizer:
    """What comes in as it is; a basis is kept, with V in its order."""
    name, axis = f"{side}_basis", 1 + SIDES.index(side)

    def init(value: Tensor, role: ParamRole | None) -> State:
        return {name: square_zeros(side, value)} if side in sides_within(limit, value, role) else {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        del value
        if name not in state:
            return grad, state
        if context.step == 1:
            return grad, state | {name: eigenbasis(state[side])}
        if not _due(context.step, frequency):
            return grad, state
        basis, order = _turned(state[side], state[name])
        v = state["v"]
        along = order[:, :, None] if axis == 1 else order[:, None]
        return grad, state | {name: basis, "v": v.gather(axis, along.expand_as(v))}

    return Optimizer(init, update)


def descend_then_decay() -> Optimizer:
    """The step along what comes in, then the decay of what it led to; neither on the first call."""

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        if context.step == 1:
            return torch.zeros_like(value), state
        delta = grad * per_trial(-context.lr, value)
        decay = per_trial(-context.lr * context.decay, value)
        return torch.addcmul(delta, value + delta, decay), state

    return Optimizer(no_state, update, elementwise=True)


def _rotate(x: Tensor, bases: State, sides: tuple[str, ...]) -> Tensor:
    """`Q_L^T x Q_R`, never `x` itself."""
    if "left" in sides:
        x = bases["left_basis"].mT @ x
    if "right" in sides:
        x = x @ bases["right_basis"]
    return x if sides else x.clone()


def _rotate_back(x: Tensor, bases: State, sides: tuple[str, ...]) -> Tensor:
    """`Q_L x Q_R^T`."""
    if "left" in sides:
        x = bases["left_basis"] @ x
    return x @ bases["right_basis"].mT if "right" in sides else x


def _turned(gram: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """One power iteration of a basis, and the order of its columns before that."""
    turned = gram @ basis
    order = (turned * basis).sum(1).argsort(dim=1, descending=True)
    turned = turned.gather(2, order[:, None].expand_as(turned))
    return orthonormal(turned), order


def _due(step: int, frequency: int) -> bool:
    """Whether the bases are turned at this step."""
    return step > 1 and (step - 1) % frequency == 0
