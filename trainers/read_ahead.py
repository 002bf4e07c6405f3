"""Batches that are read before they are asked for."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Batch = NDArray[np.int64]


def reader(read: Callable[[int], Batch], device: torch.device) -> Callable[[int], Batch]:
    """How a run on that device gets the batch of a step."""
    return read if device.type == "cpu" else ReadAhead(read).batch


class ReadAhead:
    """Batches of steps, of which a thread reads the next one while the present one is in use.

    For accelerators: they compute while the thread waits for the disk. On a CPU it would take the
    core that computes. A batch stays at hand until a later one is asked for; only the thread reads.
    """

    def __init__(self, read: Callable[[int], Batch]) -> None:
        self._read = read
        # The thread ends with this object.
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._coming: dict[int, Future[Any]] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step, whichever was asked for before."""
        self._coming = {k: v for k, v in self._coming.items() if k in (step, step + 1)}
        for wanted in (step, step + 1):
            if wanted not in self._coming:
                self._coming[wanted] = self._thread.submit(self._read, wanted)
        found: Batch = self._coming[step].result()
        return found
