"""States that only the store sees."""

from enum import StrEnum


class StackState(StrEnum):
    """running <-> pending (interrupted) -> closed (no live member, or split)."""

    RUNNING = "running"
    PENDING = "pending"
    CLOSED = "closed"
