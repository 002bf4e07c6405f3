"""Tells readers of the database what the dispatcher trains on."""

import logging
from collections.abc import Callable

from sweeper.dispatch.capacity import Capacity
from sweeper.errors import Unavailable
from sweeper.planning.machine import Machine
from sweeper.storage.queue import Queue

_log = logging.getLogger(__name__)


class Announcer:
    """Writes down what there is to train on, whenever that has changed."""

    def __init__(self, store: Queue, epoch: int, capacity: Callable[[], Capacity]) -> None:
        self._store = store
        self._epoch = epoch
        self._capacity = capacity
        self._told: Machine | None = None

    def look(self) -> None:
        """See whether it has changed."""
        machine = self._capacity().machine()
        if machine == self._told:
            return
        try:
            self._store.note_machine(self._epoch, machine)
        except Unavailable as error:  # Nothing else has to wait for that.
            _log.warning("the machine is not told yet: %s", error)
        else:
            self._told = machine
