"""Ending: drain when asked once, at once when asked twice or fenced."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

LOOK_S = 1.0
TICK_S = 0.05

_log = logging.getLogger(__name__)


class Stop:
    """Whether, why and how urgently the dispatcher has to end. Any thread or signal may set it.

    A plain flag: the handler of a signal that meets its own thread inside `threading.Event.wait`
    would wait for ever for the lock that this thread holds. `grace_s` count from the first request
    on: by then running stacks have returned, or the process just ends.
    """

    def __init__(self, grace_s: float = 30.0) -> None:
        self.grace_s = grace_s
        self._is_set = False
        self._deadline = float("inf")
        self.reason = ""
        self.is_fenced = False

    def is_set(self) -> bool:
        """Whether to end."""
        return self._is_set

    def drain(self, reason: str) -> None:
        """Claim nothing more, have running stacks return, end."""
        if not self._is_set:
            self.reason = reason
            self._deadline = time.monotonic() + self.grace_s
        self._is_set = True

    def fenced(self) -> None:
        """Another dispatcher acts: end without writing anything."""
        self.is_fenced = True
        self.drain("another dispatcher acts")
        self._deadline = 0.0

    def wait(self, seconds: float) -> bool:
        """Wait so long, or for the request to end; true if there is no time left for anything."""
        if self._is_set:
            time.sleep(min(seconds, 0.1))
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK_S))
        return time.monotonic() >= self._deadline

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """First signal: drain. Second: end at once; the database knows what was running."""
        del frame
        if self._is_set:
            os._exit(128 + number)
        self.drain(f"signal {signal.Signals(number).name}")


def install_signals(stop: Stop, *, supervised: bool) -> None:
    """Let signals end this process in good order. Once more after `ray.init`, which replaces them.

    A terminal sends its interrupt to all processes of a group; a supervised dispatcher leaves it
    to its parent, which then asks for the end with a signal of its own.
    """
    signal.signal(signal.SIGTERM, stop.on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN if supervised else stop.on_signal)


def end_at_deadline(stop: Stop) -> Callable[[], None]:
    """End the process when the grace is over and it has not ended by itself; returns the all-clear.

    A drain can hang on a worker or a database that does not answer; the next dispatcher finds
    everything that is not done where it was.
    """
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            if stop.is_set() and not is_over.wait(stop.grace_s):
                _log.error("the end took longer than %.0f s: ending now", stop.grace_s)
                os._exit(1)
            is_over.wait(LOOK_S)

    threading.Thread(target=watch, name="deadline", daemon=True).start()
    return is_over.set


def end_with_parent(stop: Stop, parent_fd: int) -> None:
    """Drain when the other end of this pipe is closed, as it is when the parent dies."""

    def watch() -> None:
        try:
            while os.read(parent_fd, 1024):
                pass
        except OSError:
            _log.exception("the parent's pipe cannot be read")
        stop.drain("the parent process has ended")

    threading.Thread(target=watch, name="parent", daemon=True).start()
