"""Functions of stacks of matrices: roots, eigenbases and orthogonalisation.

Every matrix of a stack is treated by itself, `(K, n, n)` or `(K, m, n)`. A decomposition does not
raise for one bad member: members with a NaN or an infinity come back as NaN, the others untouched.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from trainers.optimizers.base import ParamRole, PerTrial, per_trial

Parts = tuple[Tensor, ...]

SIDES = ("left", "right")
"""Of a parameter: inputs and outputs, each of which can have a matrix."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of KellerJordan/Muon@857d1ad: steep at zero, and near one from 0.05 on."""


def sides_within(limit: int, value: Tensor, role: ParamRole | None) -> tuple[str, ...]:
    """The sides of a parameter that are not longer; norm scales have none."""
    if role is ParamRole.NORM:
        return ()
    sizes = zip(SIDES, value.shape[1:], strict=True)
    return tuple(side for side, size in sizes if size <= limit)


def square_zeros(side: str, value: Tensor) -> Tensor:
    """A matrix of zeros that a side of the parameter can be multiplied with."""
    size = value.shape[1 + SIDES.index(side)]
    return value.new_zeros(len(value), size, size)


def inverse_root(matrix: Tensor, damping: Tensor, exponent: float) -> Tensor:
    """`(matrix + damping * I) ** -exponent` of symmetric matrices without negative eigenvalues.

    `damping` is `(K, 1)`. A damped eigenvalue within the round-off of the largest one counts as
    zero and stays zero, as in a pseudo-inverse: otherwise noise would be blown up the most.
    """
    values, vectors = guarded(torch.linalg.eigh, matrix)
    del matrix  # As large as all that follows.
    noise = values[:, -1:] * (values.shape[-1] * torch.finfo(values.dtype).eps)
    damped = values + damping
    powers = torch.where(damped > noise, damped.clamp(min=0) ** -exponent, 0.0)
    return (vectors * powers[:, None]) @ vectors.mT


def eigenbasis(matrix: Tensor) -> Tensor:
    """Eigenvectors of symmetric matrices as columns, those of large eigenvalues first."""
    _, vectors = guarded(torch.linalg.eigh, matrix)
    return vectors.flip(2)


def orthonormal(matrix: Tensor) -> Tensor:
    """An orthonormal basis of the columns, in their order."""
    basis, _ = guarded(torch.linalg.qr, matrix)
    return basis


def add_gram(old: Tensor, grad: Tensor, side: str, keep: PerTrial, weight: PerTrial) -> Tensor:
    """`keep * old + weight * G G^T`, or with `G^T G` for the right side.

    The sum is part of the product, which saves a pass over a matrix that may be larger than G.
    """
    rows = grad if side == "left" else grad.mT
    scaled = rows * per_trial(weight, grad)
    return (old * per_trial(keep, old)).baddbmm_(scaled, rows.mT)


def newton_schulz(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the orthogonal matrix next to each one: singular values move into [0.68, 1.14].

    That holds for singular values of at least 0.05 of the norm; smaller ones grow 3.4-fold a step.
    Zero stays zero.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[1] > matrix.shape[2]
    matrix = matrix.mT if tall else matrix
    x: Tensor = matrix / (torch.linalg.matrix_norm(matrix, keepdim=True) + 1e-7)
    del matrix  # As large as the result.
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def guarded(decompose: Callable[[Tensor], Parts], matrix: Tensor) -> Parts:
    """The decomposition with NaN for members that have none; without raising for the stack."""
    sound = matrix.isfinite().flatten(1).all(1)[:, None, None]
    safe = matrix.masked_fill(~sound, 0.0)
    try:
        parts = decompose(safe)
    except LinAlgError:
        parts = _one_by_one(decompose, safe)
    return tuple(
        part.masked_fill_(~sound.view(-1, *[1] * (part.dim() - 1)), torch.nan) for part in parts
    )


def _one_by_one(decompose: Callable[[Tensor], Parts], matrix: Tensor) -> Parts:
    """Finds the members for which the iteration inside a decomposition does not end."""
    found = [_or_nan(decompose, member[None]) for member in matrix]
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def _or_nan(decompose: Callable[[Tensor], Parts], member: Tensor) -> Parts:
    try:
        return decompose(member)
    except LinAlgError:
        identity = torch.eye(member.shape[-1], dtype=member.dtype, device=member.device)
        return tuple(torch.full_like(part, torch.nan) for part in decompose(identity[None]))
