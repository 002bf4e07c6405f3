"""What an optimizer's update costs on a given model, counted on tensors without data."""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from trainers.assembly import build
from trainers.config import TrainConfig, canonical_json, from_dict, to_dict
from trainers.cost import kept_bytes
from trainers.model import param_specs
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Context, Optimizer, ParamRole

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
    values = {name: _without_data((), torch.float64) for name in config.hyperparameters}
    optimizer = build(config, values)
    units = _units(config, optimizer)
    every = int(config.options.get("precondition_frequency", 1))
    # One of two steps in a row is the rare one; which of them is the optimizer's affair.
    usual, rare = sorted(_operations(optimizer, units, 2 * every + i) for i in (0, 1))
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


def _operations(optimizer: Optimizer, units: Mapping[Unit, int], step: int) -> float:
    rate, total = _without_data(()), 0.0
    for (shape, role), times in units.items():
        value, grad = _without_data(shape), _without_data(shape)
        state = optimizer.init(value, role)
        with _CountOperations() as count:
            prepare = optimizer.prepare
            shared = {} if prepare is None else prepare({"w": grad}, {"w": state}, {"w": value})
            optimizer.update(grad, state, value, Context(step, rate, rate, rate, role, shared))
        operations: float = count.operations
        total += times * operations
    return total


def _without_data(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(1, *shape, dtype=dtype, device="meta")


class _CountOperations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the arithmetic of what is run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0.0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs and counts one operation."""
        del types
        run: Callable[..., Any] = func
        result = run(*args, **(kwargs or {}))
        name = func._schema.name.removesuffix("_")
        if name in _PRODUCTS:
            self.operations += 2 * result.numel() * args[_PRODUCTS[name]].shape[-1]
        elif name in _DECOMPOSITIONS:
            self.operations += _DECOMPOSITIONS[name] * args[0].numel() * args[0].shape[-1]
        elif isinstance(result, Tensor) and not func.is_view:
            self.operations += result.numel()
        return result
