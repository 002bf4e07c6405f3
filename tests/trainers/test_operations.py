"""Batched means kernels: a stack of eight issues as many tensor operations as a stack of one."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainers.builders import tiny_config
from tests.trainers.test_loop import advance_to
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY


class CountOperations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


ORDINARY = 13
PERIODIC = {"soap": 11, "shampoo": 20, "shampoo_squared": 20, "sophia": 20}
"""Steps that decompose preconditioners, or take a second look at the loss."""


def operations(data_dir: Path, optimizer: str, count: int, step: int) -> Counter[str]:
    """Operations of a step that is no metric step, by name."""
    configs = [tiny_config(data_dir, optimizer, steps=700, seed=k) for k in range(count)]
    run = StackRun(configs, data_dir=data_dir)
    advance_to(run, step - 1)
    with torch.random.fork_rng(), CountOperations() as mode:
        assert run.advance() is None
    counts: Counter[str] = mode.counts
    return counts


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_a_step_at_eight_issues_as_many_operations_as_at_one(
    data_dir: Path, optimizer: str
) -> None:
    alone, stacked = (operations(data_dir, optimizer, count, ORDINARY) for count in (1, 8))
    assert sum(alone.values()) > 100
    assert stacked == alone


@pytest.mark.parametrize(("optimizer", "step"), PERIODIC.items())
def test_so_does_a_step_that_does_more_than_others(
    data_dir: Path, optimizer: str, step: int
) -> None:
    alone, stacked = (operations(data_dir, optimizer, count, step) for count in (1, 8))
    assert sum(alone.values()) > sum(operations(data_dir, optimizer, 1, ORDINARY).values())
    assert stacked == alone
