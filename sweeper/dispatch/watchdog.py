"""Ends a worker that makes no step for too long, even one that never lets go of the GIL."""

import faulthandler
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 60.0
"""Before the first step there is more to do: reading data, the first use of a device."""


class Watchdog:
    """Ends the process unless `alive` is called every `limit_s` seconds.

    Before it does, the stacks of all threads go to `file`: that it is not empty is how the
    dispatcher tells a hung worker from a lost one.
    """

    def __init__(self, file: Path, limit_s: float) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("w")
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
        Path(self._file.name).unlink(missing_ok=True)


def hung_dir(data_dir: Path) -> Path:
    """The folder for the files of all watchdogs."""
    return data_dir / "watchdogs"


def hung_file(directory: Path, stack_id: int, attempt: int) -> Path:
    """The file of an attempt's watchdog."""
    return directory / f"{stack_id}-{attempt}.txt"


def take_traceback(file: Path) -> str | None:
    """What a watchdog wrote before it ended its process, None if it did not; the file is removed.

    None too for a worker on a machine that does not share this disk.
    """
    try:
        text = file.read_text()
        file.unlink(missing_ok=True)
    except OSError:
        return None
    return text or None
