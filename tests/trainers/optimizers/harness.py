"""Drives an optimizer of the registry the way the loop does, on tensors of a test's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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


def update(
    optimizer: Optimizer, grad: Tensor, state: State, value: Tensor, now: Context
) -> tuple[Tensor, State]:
    """One update of a model of one parameter."""
    if optimizer.prepare is not None:
        shared = optimizer.prepare({"w": grad}, {"w": state}, {"w": value})
        now = replace(now, shared=shared)
    return optimizer.update(grad, state, value, now)


def directions(
    optimizer: Optimizer, grads: Sequence[Tensor], *, role: ParamRole = ParamRole.MLP
) -> list[Tensor]:
    """What the optimizer steps along at learning rate 1, without decay, for gradients `(K, …)`."""
    value = torch.zeros_like(grads[0])
    state: State = optimizer.init(value, role)
    found = []
    for step, grad in enumerate(grads, 1):
        now = context(step, len(value), role=role)
        delta, state = update(optimizer, grad, state, value, now)
        found.append(-delta)
    return found
