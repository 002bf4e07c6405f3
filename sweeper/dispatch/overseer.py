"""Tells workers what has changed, and ends those that make no progress."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sweeper.dispatch.control import Verdict
from sweeper.dispatch.processes import pid_space
from sweeper.dispatch.running import Running, RunningStacks
from sweeper.dispatch.stop import Stop
from sweeper.errors import Fenced, SweeperError
from sweeper.storage.queue import Queue
from sweeper.storage.records import ControlRow

LOOK_S = 1.0
SLACK_S = 90.0
"""Beyond the worker's own limit: this is for one whose watchdog cannot run."""

_log = logging.getLogger(__name__)


class Overseer:
    """A thread that looks every second: at what runs, and at whatever else it is given."""

    def __init__(
        self,
        store: Queue,
        epoch: int,
        running: RunningStacks,
        stop: Stop,
        progress_limit_s: float,
        looks: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._running = running
        self._stop = stop
        self._looks = looks
        self._limit_s = progress_limit_s + SLACK_S

    def start(self, control: Any) -> Callable[[], None]:
        """Look in a thread of its own; returns what ends it."""
        ended = threading.Event()

        def oversee() -> None:
            while not ended.wait(LOOK_S):
                try:
                    self._look(control)
                except Fenced:
                    self._stop.fenced()
                except SweeperError as error:
                    _log.warning("no news for workers: %s", error)
                except Exception:  # noqa: BLE001 - it looks again in a moment
                    _log.exception("no news for workers")

        thread = threading.Thread(target=oversee, name="overseer", daemon=True)
        thread.start()

        def end() -> None:
            ended.set()
            thread.join()

        return end

    def _look(self, control: Any) -> None:
        for look in self._looks:
            look()
        running = self._running.all()
        if running:
            end_hung(running, self._limit_s)
        back = self._stop.reason if self._stop.is_set() else None
        rows = self._store.control(self._epoch) if running and back is None else []
        verdicts = {(row.stack_id, row.attempt): _verdict(row) for row in rows}
        if running:  # Whether it is news or not: a control actor that was restarted knows nothing.
            control.publish.remote(verdicts, back)


def end_hung(stacks: Sequence[Running], limit_s: float) -> None:
    """Kill the workers of this machine that have been silent for longer than that."""
    now, here = time.monotonic(), pid_space()
    for stack in stacks:
        is_silent = stack.silent_s(now) > limit_s
        if is_silent and not stack.was_hung and stack.pid_space == here:
            _log.warning("stack %d makes no progress: ending it", stack.claim.stack_id)
            stack.was_hung = True
            with suppress(ProcessLookupError):
                os.kill(stack.pid, signal.SIGKILL)


def _verdict(row: ControlRow) -> Verdict:
    return Verdict(row.cancelled_slots, "paused" if row.paused else None)
