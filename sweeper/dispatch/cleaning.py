"""Removes checkpoints that nothing goes on from any more."""

import logging
import queue
import threading
from collections.abc import Callable, Collection

from sweeper.dispatch.checkpoint_store import CheckpointStore
from sweeper.errors import SweeperError
from sweeper.storage.queue import Queue

CLOSE_S = 5.0
"""What is not removed by then is found by the next cleaning."""

_log = logging.getLogger(__name__)


class Cleaner:
    """A thread of its own, as a store far away must not hold up results. Any thread may call.

    Everything it does is looked up anew, so nothing that it fails to do is lost.
    """

    def __init__(self, checkpoints: CheckpointStore, store: Queue) -> None:
        self._checkpoints = checkpoints
        self._store = store
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="cleaner", daemon=True)
        self._thread.start()

    def prune(self, stack_id: int, newest: str) -> None:
        """Remove what the database does not list of a stack, which has just saved `newest`."""
        self._tasks.put(lambda: self._prune(stack_id, newest))

    def remove_unused(self) -> None:
        """Remove the checkpoints of closed stacks."""
        self._tasks.put(lambda: remove_unused(self._checkpoints, self._store))

    def close(self) -> None:
        """Do the rest, if that does not take long, and end the thread."""
        self._tasks.put(None)
        self._thread.join(CLOSE_S)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except SweeperError as error:
                _log.warning("checkpoints are not cleaned up now: %s", error)
            except Exception:  # noqa: BLE001 - each protocol has errors of its own
                _log.exception("checkpoints are not cleaned up now")

    def _prune(self, stack_id: int, newest: str) -> None:
        recorded = self._store.checkpoints(stack_id)
        if newest in recorded:
            for name in superseded(self._checkpoints.checkpoints(stack_id), newest, recorded):
                self._checkpoints.remove(name)


def remove_unused(checkpoints: CheckpointStore, store: Queue) -> None:
    """Remove what is of stacks that are closed or gone."""
    there = checkpoints.stacks()  # Listed first, so that a new stack's stay.
    in_use = store.folders_in_use() if there else there
    for name in there - in_use:
        checkpoints.remove(name)


def superseded(there: Collection[str], newest: str, recorded: Collection[str]) -> list[str]:
    """Which checkpoints of a stack to remove: all but those `recorded`, and what came later.

    A worker may be ahead of its reports, and the next attempt ahead of this cleaning.
    """
    found = {name: _place(name) for name in there if name.rsplit("/", 1)[-1].isdigit()}
    later = {name for name, place in found.items() if place > _place(newest)}
    return sorted(found.keys() - later - set(recorded))


def _place(name: str) -> tuple[int, int]:
    """Attempt and step."""
    _, attempt, step = name.rsplit("/", 2)
    return int(attempt), int(step)
