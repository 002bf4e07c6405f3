"""What an optimizer's update costs on a given model, counted on tensors without data."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from trainers.assembly import build
from trainers.config import TrainConfig, canonical_json, from_dict, to_dict
from trainers.cost import kept_bytes
from trainers.counting import elements, of_update, without_numbers
from trainers.model import param_specs
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Optimizer, ParamRole

Unit = tuple[tuple[int, ...], ParamRole | None]

_PRODUCTS = {"aten::mm": 0, "aten::bmm": 0, "aten::addmm": 1, "aten::baddbmm": 1}
"""Which argument is the left factor."""
_DECOMPOSITIONS = {"aten::linalg_qr": 8 / 3, "aten::_linalg_eigh": 9.0}
"""Operations over n^3 of an n x n matrix, after Golub and Van Loan, Matrix Computations:
Householder QR with its Q formed (section 5.2), symmetric QR with eigenvectors (section 8.3)."""


@dataclass(frozen=True, kw_only=True)
class UpdateCost:
    """Of one trial and one step; `flops` averaged over the steps between two decompositions."""

    flops: float
    state_bytes: int
    gradients: float
    """Gradients taken per step: more than one where the loss is looked at again."""


def update_cost(config: TrainConfig) -> UpdateCost | None:
    """What the built-in optimizer of a run costs; None for what is not built in.

    A product of matrices has two operations per multiplication, a decomposition those of the
    textbook, and anything else one for every element that it writes.
    """
    if config.is_function or config.optimizer not in REGISTRY:
        return None
    # What a number is does not change the count: the trials of a sweep are counted once.
    names = dict.fromkeys(config.hyperparameters, 0.0)
    return _cost(canonical_json(to_dict(replace(config, hyperparameters=names, seed=0))))


@lru_cache(maxsize=1024)
def _cost(identity: str) -> UpdateCost:
    config = from_dict(json.loads(identity))
    values = {name: without_numbers((), torch.float64) for name in config.hyperparameters}
    optimizer = build(config, values)
    units = _units(config, optimizer)
    every = int(config.options.get("precondition_frequency", 1))
    # One of two steps in a row is the rare one; which of them is the optimizer's affair.
    usual, rare = sorted(_arithmetic(optimizer, units, 2 * every + i) for i in (0, 1))
    kept = sum(kept_bytes(optimizer, shape, role) * n for (shape, role), n in units.items())
    curvature = optimizer.curvature
    return UpdateCost(
        flops=(rare + (every - 1) * usual) / every,
        state_bytes=kept,
        gradients=1 + (0 if curvature is None else 1 / curvature.every),
    )


def _units(config: TrainConfig, optimizer: Optimizer) -> Mapping[Unit, int]:
    """What the optimizer sees as one tensor, and how many are alike."""
    units: list[Unit] = [(s.shape, s.role) for s in param_specs(config.model).values()]
    if optimizer.elementwise:
        units = [((sum(math.prod(shape) for shape, _ in units),), None)]
    return Counter(units)


def _arithmetic(optimizer: Optimizer, units: Mapping[Unit, int], step: int) -> float:
    return sum(
        times * of_update(optimizer, shape, role, step, _operations)
        for (shape, role), times in units.items()
    )


def _operations(operation: Any, arguments: tuple[Any, ...], result: Any) -> float:
    name = operation._schema.name.removesuffix("_")
    if name in _PRODUCTS:
        return float(2 * result.numel() * arguments[_PRODUCTS[name]].shape[-1])
    if name in _DECOMPOSITIONS:
        matrix = arguments[0]
        return float(_DECOMPOSITIONS[name] * matrix.numel() * matrix.shape[-1])
    return elements(operation, arguments, result)
