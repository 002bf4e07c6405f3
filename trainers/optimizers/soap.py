"""Adam in the eigenbasis of Shampoo's preconditioner."""

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
from trainers.optimizers.matrix import add_gram, eigenbasis, orthonormal
from trainers.optimizers.transforms import adaptive_lr, average

Frequency = Annotated[int, Option(low=1, help="steps between two updates of the eigenbases")]
MaxDim = Annotated[int, Option(low=1, help="sides longer than this are not rotated")]

SIDES = ("left", "right")


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
        eps: > 0, outside the root and before its correction; 1e-8 in the source. Much less turns
            round-off in directions without a gradient into steps of full size.
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

    def init(value: Tensor, role: ParamRole | None) -> State:
        state = {"m": torch.zeros_like(value), "v": torch.zeros_like(value)}
        for side in _rotated(value, role, limit):
            size = value.shape[1 + SIDES.index(side)]
            state[side] = torch.zeros_like(value[:, :1, :1]).repeat(1, size, size)
            state[f"{side}_basis"] = torch.zeros_like(state[side])
        return state

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        step, sides = context.step - 1, _rotated(value, context.role, limit)
        grams = {side: add_gram(state[side], grad, side, beta2, 1 - beta2) for side in sides}
        if step == 0:
            bases = {f"{side}_basis": eigenbasis(gram) for side, gram in grams.items()}
            return torch.zeros_like(value), state | grams | bases
        rotated = _rotate(grad, state, sides)
        m = average(state["m"], rotated, momentum)
        v = average(state["v"], rotated.square_(), beta2)
        correction = (1 - beta2**step) ** 0.5 / (1 - momentum**step)
        scaled = (m / v.sqrt().add_(per_trial(eps, v))).mul_(per_trial(correction, v))
        direction = _rotate_back(scaled, state, sides)
        new = state | grams | {"m": m, "v": v}
        return direction, _turn(new, sides) if step % frequency == 0 else new

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        del value
        v = state["v"].flatten(1).mean(1, keepdim=True)
        root = (1 - beta2 ** (context.step - 1)) ** 0.5
        return adaptive_lr(v, eps, context) * per_trial(root, v)

    return Optimizer(init, update, effective_lr=effective_lr)


def descend_then_decay() -> Optimizer:
    """The step along what comes in, then the decay of what it led to; neither on the first call."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        del value, role
        return {}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        if context.step == 1:
            return torch.zeros_like(value), state
        delta = grad * per_trial(-context.lr, value)
        decay = per_trial(-context.lr * context.decay, value)
        return torch.addcmul(delta, value + delta, decay), state

    return Optimizer(init, update)


def _rotated(value: Tensor, role: ParamRole | None, limit: int) -> tuple[str, ...]:
    """The sides of a parameter that have a basis."""
    if role is ParamRole.NORM:
        return ()
    return tuple(side for side, size in zip(SIDES, value.shape[1:], strict=True) if size <= limit)


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


def _turn(state: State, sides: tuple[str, ...]) -> State:
    """One power iteration of every basis; what is kept rotated follows."""
    plain = _rotate_back(state["m"], state, sides)
    v, bases = state["v"], {}
    for axis, side in enumerate(SIDES, 1):
        if side not in sides:
            continue
        gram, basis = state[side], state[f"{side}_basis"]
        turned = gram @ basis
        order = (turned * basis).sum(1).argsort(dim=1, descending=True)
        turned = turned.gather(2, order[:, None].expand_as(turned))
        bases[f"{side}_basis"] = orthonormal(turned)
        v = v.gather(axis, (order[:, :, None] if axis == 1 else order[:, None]).expand_as(v))
    return state | bases | {"m": _rotate(plain, bases, sides), "v": v}
