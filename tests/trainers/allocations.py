"""What torch really allocates."""

import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from trainers.config import TrainConfig
from trainers.loop import StackRun


def peak_bytes(configs: Sequence[TrainConfig], data_dir: Path, *, steps: int = 2) -> int:
    """The most that tensors hold at once on the CPU over an evaluation and some steps."""
    with _Held() as held:
        run = StackRun(configs, data_dir=data_dir)
        for _ in range(steps + 1):
            run.advance()
    peak: int = held.peak
    return peak


class _Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the memory of every storage from the operation that makes it until it is freed.

    torch keeps the Python object of a storage for as long as anything holds the storage, what
    autograd has saved included, so its end is the end of the memory.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs one operation and counts what it made."""
        del types
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage.data_ptr(), storage.nbytes()
        if not size or key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
