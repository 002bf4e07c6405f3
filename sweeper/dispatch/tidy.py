"""Checkpoints that no stack goes on from, such as those of deleted sweeps, leave the store."""

import time
from collections.abc import Callable

TIDY_S = 10.0


class Tidy:
    """Has them removed every ten seconds, when it is called so often; the first time at once."""

    def __init__(
        self, remove_unused: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._remove_unused = remove_unused
        self._clock = clock
        self._looked_at = float("-inf")

    def look(self) -> None:
        """Remove what is of stacks that are closed or gone, if it is time."""
        if self._clock() - self._looked_at >= TIDY_S:
            self._looked_at = self._clock()
            self._remove_unused()
