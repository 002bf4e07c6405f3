"""Roots, eigenbases and orthogonalisation of stacks of matrices."""

import math

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers.harness import column, directions
from trainers.optimizers import REGISTRY
from trainers.optimizers.matrix import eigenbasis, guarded, inverse_root, newton_schulz


def random_grads(shape: tuple[int, ...] = (4, 5), count: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(1, *shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def test_newton_schulz_on_known_matrices() -> None:
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(1, 4, 4, generator=generator, dtype=torch.float64)
    orthogonal = torch.linalg.qr(random).Q
    torch.testing.assert_close(
        newton_schulz(orthogonal), 0.76544 * orthogonal, rtol=1e-4, atol=1e-6
    )
    rank_one = torch.zeros(1, 3, 5, dtype=torch.float64)
    rank_one[0, 1, 2] = 1.0
    torch.testing.assert_close(newton_schulz(rank_one), 0.69644 * rank_one, rtol=1e-4, atol=0)
    assert not newton_schulz(torch.zeros(2, 3, 5)).any()
    tall = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(newton_schulz(tall.mT), newton_schulz(tall).mT)


def test_newton_schulz_moves_singular_values_near_one() -> None:
    values = torch.logspace(math.log10(0.05), 0, 40, dtype=torch.float64)
    # A value is relative to the norm of its matrix, which the last entry fills up to one.
    for value in values:
        matrix = torch.diag(torch.stack([value, (1 - value**2).sqrt()]))[None]
        assert 0.68 <= newton_schulz(matrix)[0, 0, 0] <= 1.14


def test_idealised_shampoo_is_idealised_adafactor_in_its_eigenbasis() -> None:
    """With expectations over data and power 1/2; `H = (L kron R) / trace(L)` for the first one.

    It holds because row sums of the rotated squares are the eigenvalues of L, and their total is
    its trace. A stale basis or another gradient's average would break it.
    """
    data = torch.cat(random_grads((4, 5), 40))
    none = column(0.0)[:, None]
    left = (data @ data.mT).mean(0, keepdim=True)
    right = (data.mT @ data).mean(0, keepdim=True)
    root = left.diagonal(dim1=1, dim2=2).sum().sqrt()
    q_left, q_right = eigenbasis(left), eigenbasis(right)
    squares = (q_left.mT @ data @ q_right).square().mean(0, keepdim=True)
    rows, columns = squares.sum(2, keepdim=True), squares.sum(1, keepdim=True)
    second = rows * columns / rows.sum()
    for grad in data[:3, None]:
        shampoo = root * inverse_root(left, none, 0.5) @ grad @ inverse_root(right, none, 0.5)
        adafactor = q_left @ (q_left.mT @ grad @ q_right / second.sqrt()) @ q_right.mT
        torch.testing.assert_close(shampoo, adafactor, rtol=1e-10, atol=1e-12)
        elementwise = q_left @ (q_left.mT @ grad @ q_right / squares.sqrt()) @ q_right.mT
        assert not torch.allclose(shampoo, elementwise, rtol=1e-3)


@pytest.mark.parametrize("name", ["soap", "shampoo", "shampoo_squared"])
def test_a_preconditioner_that_overflows_ends_its_trial_alone(name: str) -> None:
    """Squares of 1e30 are infinite in single precision, and no decomposition takes that."""
    clean = [torch.cat([grad, grad]).float() for grad in random_grads()]
    spoiled = [grad.clone() for grad in clean]
    spoiled[3][1] *= 1e30
    build = REGISTRY[name].build
    found = directions(build(precondition_frequency=1), spoiled)
    for ours, theirs in zip(found, directions(build(precondition_frequency=1), clean), strict=True):
        assert torch.equal(ours[0], theirs[0])
    assert found[-1][1].isnan().all()


def test_an_iteration_that_does_not_end_ends_its_trial_alone() -> None:
    def decompose(matrix: Tensor) -> tuple[Tensor, ...]:
        if (matrix[:, 0, 0] == 7).any():
            raise torch.linalg.LinAlgError("did not converge")  # type: ignore[attr-defined]
        return tuple(torch.linalg.eigh(matrix))

    sound = torch.eye(3) * torch.tensor([2.0, 3.0])[:, None, None]
    values, vectors = guarded(decompose, torch.cat([sound, 7 * torch.eye(3)[None]]))
    assert torch.equal(values[:2], torch.linalg.eigh(sound).eigenvalues)
    assert values[2].isnan().all()
    assert vectors[2].isnan().all()


def test_inverse_roots() -> None:
    for grad in random_grads((5, 5), 3):
        matrix = grad @ grad.mT
        root = inverse_root(matrix, column(0.0)[:, None], 0.25)
        eye = torch.eye(5, dtype=torch.float64)[None]
        torch.testing.assert_close(root @ root @ root @ root @ matrix, eye, rtol=0, atol=1e-6)
    flat = torch.diag(torch.tensor([4.0, 1.0, 1e-20], dtype=torch.float64))[None]
    root = inverse_root(flat, column(1e-30)[:, None], 0.5)
    expected = torch.tensor([[0.5, 1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(root.diagonal(dim1=1, dim2=2), expected)
