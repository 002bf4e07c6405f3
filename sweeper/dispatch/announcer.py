"""Tells readers of the database what the dispatcher trains on."""

from collections.abc import Callable

from sweeper.dispatch.cluster import Capacity
from sweeper.machine import Machine
from sweeper.storage.queue import Queue


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
        if machine != self._told:
            self._store.note_machine(self._epoch, machine)
            self._told = machine
