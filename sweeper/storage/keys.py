"""From the opaque id of a sweep to its key, and the lock that every change of a sweep begins with.

A change locks the sweep's row and leaves its key alone; deleting locks the key too, and so waits
for whatever is about to write a row that names the sweep.
"""

from sqlalchemy import Connection, select

from sweeper.errors import NotFound
from sweeper.storage.tables import sweep


def sweep_key(connection: Connection, sweep_id: str) -> int:
    """The key of a sweep; `NotFound` if there is none."""
    key = connection.scalar(select(sweep.c.id).where(sweep.c.public_id == sweep_id))
    if key is None:
        raise NotFound(f"there is no sweep {sweep_id!r}")
    assert isinstance(key, int)
    return key


def lock_sweep(connection: Connection, sweep_id: str) -> int:
    """The key of a sweep, locked to be changed."""
    return _locked(connection, sweep_id, to_delete=False)


def lock_sweep_to_delete(connection: Connection, sweep_id: str) -> int:
    """The key of a sweep, locked against everything that refers to it."""
    return _locked(connection, sweep_id, to_delete=True)


def _locked(connection: Connection, sweep_id: str, *, to_delete: bool) -> int:
    key = connection.scalar(
        select(sweep.c.id)
        .where(sweep.c.public_id == sweep_id)
        .with_for_update(key_share=not to_delete)
    )
    if key is None:
        raise NotFound(f"there is no sweep {sweep_id!r}")
    assert isinstance(key, int)
    return key
