"""What an optimizer's update does, counted on tensors without data."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from trainers.optimizers.base import Context, Optimizer, ParamRole

Weigh = Callable[[Any, tuple[Any, ...], Any], float]
"""What an operation counts, from itself, its arguments and its result."""


def without_numbers(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of one trial that has a shape alone."""
    return torch.empty(1, *shape, dtype=dtype, device="meta")


def of_update(
    optimizer: Optimizer, shape: tuple[int, ...], role: ParamRole | None, step: int, weigh: Weigh
) -> float:
    """The sum of what each operation of one trial's update of such a tensor counts."""
    value, grad, rate = without_numbers(shape), without_numbers(shape), without_numbers(())
    state, prepare = optimizer.init(value, role), optimizer.prepare
    with _Count(weigh) as count:
        shared = {} if prepare is None else prepare({"w": grad}, {"w": state}, {"w": value})
        optimizer.update(grad, state, value, Context(step, rate, rate, rate, role, shared))
    total: float = count.total
    return total


def elements(operation: Any, arguments: tuple[Any, ...], result: Any) -> float:
    """How many numbers an operation writes: none, if it returns a view."""
    del arguments
    return result.numel() if isinstance(result, Tensor) and not operation.is_view else 0


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, weigh: Weigh) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._weigh = weigh
        self.total = 0.0

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
        self.total += self._weigh(func, args, result)
        return result
