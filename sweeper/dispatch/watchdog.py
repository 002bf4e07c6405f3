"""Ends a worker that makes no step for too long, even one that never lets go of the GIL."""

import faulthandler
from pathlib import Path
from types import TracebackType
from typing import Self

REASON_FILE = "hung.txt"
START_S = 60.0
"""Before the first step there is more to do: reading data, the first use of a device."""


class Watchdog:
    """Ends the process unless `alive` is called every `limit_s` seconds.

    Before it does, the stacks of all threads go to the file `hung.txt` in `directory`: that it is
    not empty is how the dispatcher tells a hung worker from a lost one.
    """

    def __init__(self, directory: Path, limit_s: float) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / REASON_FILE).open("w")
        self._limit_s = limit_s

    def __enter__(self) -> Self:
        self._arm(self._limit_s + START_S)
        return self

    def alive(self) -> None:
        """Start the time anew."""
        self._arm(self._limit_s)

    def _arm(self, limit_s: float) -> None:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=self._file)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._file.close()


def hung_traceback(directory: Path) -> str | None:
    """What the watchdog in this folder wrote before it ended its process, None if it did not."""
    try:
        return (directory / REASON_FILE).read_text() or None
    except OSError:
        return None
