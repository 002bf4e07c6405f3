"""Drives an optimizer of the registry the way the loop does, on tensors of a test's own."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tests.trainers.optimizers.cases import CASES
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Context, Optimizer, ParamRole, State


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def build(name: str, hyperparameters: Mapping[str, Sequence[float]]) -> Optimizer:
    own = {k: column(*v) for k, v in hyperparameters.items()}
    return REGISTRY[name].build(**own, **CASES[name].fixed)


def context(
    step: int,
    count: int,
    *,
    lr: float = 1.0,
    peak_lr: float = 1.0,
    decay: float = 0.0,
    role: ParamRole | None = ParamRole.MLP,
) -> Context:
    rates = column(*[lr] * count)
    return Context(step, rates, column(*[peak_lr] * count), column(*[decay] * count), role, {})


def directions(
    optimizer: Optimizer, grads: Sequence[Tensor], *, role: ParamRole = ParamRole.MLP
) -> list[Tensor]:
    """What the optimizer steps along at learning rate 1, without decay, for gradients `(K, …)`."""
    value = torch.zeros_like(grads[0])
    state: State = optimizer.init(value, role)
    found = []
    for step, grad in enumerate(grads, 1):
        delta, state = optimizer.update(grad, state, value, context(step, len(value), role=role))
        found.append(-delta)
    return found
