"""What an accelerator asks of a run, shown without one."""

import gc
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from tests.trainers.builders import tiny_config
from tests.trainers.test_loop import advance_to
from tests.trainers.test_operations import ORDINARY, PERIODIC
from trainers import throughput
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY


@contextmanager
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sophia"])
def test_the_memory_of_a_run_is_free_as_soon_as_it_is_let_go(
    data_dir: Path, optimizer: str
) -> None:
    """The next stack of the process asks the device for it, and no collector comes in between."""
    with no_collection():
        run = StackRun([tiny_config(data_dir, optimizer)], data_dir=data_dir)
        advance_to(run, 2)
        (state, *_), parameters = run._optimizer.states.values(), run._flat
        tensors = [weakref.ref(tensor) for tensor in (parameters, *state.values())]
        del run, state, parameters, _
        assert [reference() for reference in tensors] == [None] * len(tensors)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_checkpoint_is_read_into_the_memory_that_is_there(
    data_dir: Path, tmp_path: Path, optimizer: str
) -> None:
    """A device need not have room for the old numbers beside the new."""
    run, other = (StackRun([tiny_config(data_dir, optimizer)], data_dir=data_dir) for _ in range(2))
    advance_to(run, 2)
    run.save(tmp_path / "2")
    before = places(other)
    other.load(tmp_path / "2")
    assert places(other) == before
    assert torch.equal(other._flat, run._flat)


def places(run: StackRun) -> list[int]:
    states = [tensor for state in run._optimizer.states.values() for tensor in state.values()]
    return [tensor.data_ptr() for tensor in (run._flat, *states)]


class Waiting(TorchFunctionMode):
    """Finds what makes a program wait for its device: numbers that are copied there at once.

    The device is torch's `meta`, which has no memory: to read from it raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and result.is_meta and not kwargs.get("non_blocking"):
            given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
            from_numbers = func in (torch.tensor, torch.as_tensor) and not given
            if from_numbers or any(each.device.type == "cpu" for each in given):
                self.found.append(f"{func.__name__}{args}")
        return result


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has torch know as much of `meta` as of other devices."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(throughput, "matrix_product_rate", lambda *given: 1.0)


def waiting(data_dir: Path, optimizer: str, step: int, *, masked: bool = False) -> list[str]:
    """What a step waits for after another one, which has put constants on the device."""
    configs = [tiny_config(data_dir, optimizer, steps=700, seed=seed) for seed in (0, 1)]
    run = StackRun(configs, data_dir=data_dir, device="meta", micro_batch=2, compile=False)
    run._evaluated_at_start, run._step = True, step - 2
    if masked:
        run.mask(0)
    run.advance()
    with Waiting() as mode:
        assert run.advance() is None
    found: list[str] = mode.found
    return found


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("optimizer", REGISTRY)
def test_a_step_does_not_wait_for_its_device(data_dir: Path, optimizer: str) -> None:
    for step in (ORDINARY, PERIODIC.get(optimizer, ORDINARY)):
        assert waiting(data_dir, optimizer, step) == []


@pytest.mark.usefixtures("meta")
def test_nor_does_one_with_frozen_members(data_dir: Path) -> None:
    assert waiting(data_dir, "adamw", ORDINARY, masked=True) == []


@pytest.mark.usefixtures("meta")
def test_what_waits_is_found() -> None:
    device = torch.device("meta")
    with Waiting() as mode:
        torch.tensor([1.0], device=device)
        torch.as_tensor(0.5, device=device)
        torch.ones(2).to(device)
        torch.empty(2, device=device).copy_(torch.ones(2))
        torch.ones(2).to(device, non_blocking=True)
        torch.full((), 0.5, device=device)
    assert len(mode.found) == 4
