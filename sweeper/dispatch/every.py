"""What the dispatcher looks after now and then, between its claims."""

import time
from collections.abc import Callable

LOOK_S = 10.0


class Every:
    """Does something every ten seconds, when it is called so often; the first time at once."""

    def __init__(self, do: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._do = do
        self._clock = clock
        self._done_at = float("-inf")

    def look(self) -> None:
        """Do it, if it is time."""
        if self._clock() - self._done_at >= LOOK_S:
            self._done_at = self._clock()
            self._do()
