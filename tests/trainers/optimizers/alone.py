"""What the tests of identities share: optimizers for one trial, gradients, comparisons. Float64."""

from collections.abc import Callable

import torch
from torch import Tensor

from tests.trainers.optimizers.case import Matrix
from tests.trainers.optimizers.harness import column, directions
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Optimizer

G = torch.tensor([[[1.0, 2.0], [3.0, -4.0]]], dtype=torch.float64)


def make(name: str, **settings: float) -> Optimizer:
    """For one trial; whole numbers are options or facts of the run."""
    chosen = {k: v if isinstance(v, int) else column(v) for k, v in settings.items()}
    return REGISTRY[name].build(**chosen)


def random_grads(shape: tuple[int, ...] = (4, 5), count: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(1, *shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def assert_same(first: list[Tensor], second: list[Tensor], rtol: float = 1e-12) -> None:
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-12)


def assert_rule(optimizer: Optimizer, rule: Callable[[Matrix], Matrix], rtol: float) -> None:
    grads = random_grads()
    for d, grad in zip(directions(optimizer, grads), grads, strict=True):
        expected = torch.tensor([rule(grad[0].tolist())], dtype=torch.float64)
        torch.testing.assert_close(d, expected, rtol=rtol, atol=1e-12)
