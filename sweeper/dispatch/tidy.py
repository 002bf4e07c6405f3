"""Checkpoints that no stack goes on from, such as those of deleted sweeps, leave the disk."""

import time
from collections.abc import Callable
from pathlib import Path

from sweeper.dispatch.folders import discard, stack_folders
from sweeper.storage.queue import Queue

TIDY_S = 10.0


class Tidy:
    """Looks every ten seconds, when it is called so often; the first time at once."""

    def __init__(
        self, store: Queue, checkpoint_dir: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._checkpoint_dir = checkpoint_dir
        self._clock = clock
        self._looked_at = float("-inf")

    def look(self) -> None:
        """Remove the folders of stacks that are closed or gone, if it is time."""
        if self._clock() - self._looked_at < TIDY_S:
            return
        self._looked_at = self._clock()
        # Listed first, so that a new stack's stay.
        there = stack_folders(self._checkpoint_dir)
        if there:
            for name in there - self._store.folders_in_use():
                discard(self._checkpoint_dir, name)
