"""Which dispatcher acts: standing by, taking over, and showing that one is alive."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sweeper.dispatch.processes import pid_space, process_start
from sweeper.dispatch.stop import Stop
from sweeper.errors import Conflict, Fenced, SweeperError
from sweeper.storage.queue import Queue
from sweeper.storage.records import DispatcherRow, Owner

STILL_S = 20.0
BEAT_S = 2.0
LOOK_S = 1.0

_log = logging.getLogger(__name__)


def this_process() -> Owner:
    """Who takes over here."""
    pid = os.getpid()
    started = process_start(pid) or 0.0
    return Owner(host=socket.gethostname(), pid=pid, started=started, pid_space=pid_space())


@dataclass
class Observer:
    """Judges another dispatcher by its beat, on this process's clock, and by its process."""

    clock: Callable[[], float] = time.monotonic
    _seen: DispatcherRow | None = None
    _since: float = 0.0

    def is_gone(self, row: DispatcherRow) -> bool:
        """Whether this row's dispatcher may be replaced now."""
        if self._seen is None or (row.epoch, row.beat) != (self._seen.epoch, self._seen.beat):
            self._seen, self._since = row, self.clock()
        return _has_ended(row.owner) or self.clock() - self._since >= STILL_S


def _has_ended(owner: Owner) -> bool:
    return owner.pid_space == pid_space() and process_start(owner.pid) != owner.started


def acquire(store: Queue, stop: Stop) -> int | None:
    """Stand by until this process may act: its epoch. None if it has to end before."""
    observer = Observer()
    announced = False
    while not stop.is_set():
        try:
            row = store.dispatcher()
            if row is None or observer.is_gone(row):
                return store.take_over(row, this_process())
        except Conflict:
            _log.info("another dispatcher was faster")
        except SweeperError as error:  # A failed read is no observation.
            _log.warning("standing by: %s", error)
        else:
            if not announced:
                _log.info("standing by: process %d on %s acts", row.owner.pid, row.owner.host)
                announced = True
        stop.wait(LOOK_S)
    return None


def start_beat(store: Queue, epoch: int, stop: Stop) -> Callable[[], None]:
    """Raise the beat in a thread of its own, on a store of its own; returns what ends it."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_S):
            try:
                store.beat(epoch)
            except Fenced:
                stop.fenced()
                return
            except SweeperError as error:
                _log.warning("no beat: %s", error)

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end
