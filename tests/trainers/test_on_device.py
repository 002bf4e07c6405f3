"""What an accelerator asks of a run, shown without one."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.trainers.builders import tiny_config
from tests.trainers.test_loop import advance_to
from trainers.loop import StackRun


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
