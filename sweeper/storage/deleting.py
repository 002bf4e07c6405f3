"""Deleting a sweep, with what only it used."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select

from sweeper.errors import Conflict, NotFound
from sweeper.storage import listing
from sweeper.storage.keys import lock_sweep_to_delete
from sweeper.storage.tables import event, point, sweep, trial, variant
from sweeper.storage.unused import ENDED, discard_all_unused
from sweeper.trials import SweepState

_DELETABLE = (SweepState.DONE, SweepState.DONE_WITH_FAILURES, SweepState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What went with a sweep: its points, and the trials that nothing else needs."""

    sweep_id: str
    deleted: bool
    points: int = 0
    trials: int = 0


def delete_sweep(connection: Connection, sweep_id: str) -> Deletion:
    """Delete a sweep that has ended; of one that is not there nothing is deleted."""
    try:
        key = lock_sweep_to_delete(connection, sweep_id)
    except NotFound:
        return Deletion(sweep_id=sweep_id, deleted=False)
    state = listing.record(connection, key).state
    if state not in _DELETABLE:
        raise Conflict(f"sweep {sweep_id!r} is {state}: cancel it first, then delete it")
    _lock_ended_trials(connection, key)
    points = connection.execute(delete(point).where(_of(point, key))).rowcount
    for table in (variant, event):
        connection.execute(delete(table).where(_of(table, key)))
    connection.execute(delete(sweep).where(sweep.c.id == key))
    trials = discard_all_unused(connection)
    return Deletion(sweep_id=sweep_id, deleted=True, points=points, trials=trials)


def _of(table: Table, key: int) -> ColumnElement[bool]:
    return table.c.sweep_id == key


def _trials_of(key: int) -> Any:
    return select(point.c.trial_id).where(point.c.sweep_id == key)


def _lock_ended_trials(connection: Connection, key: int) -> None:
    """Of two sweeps that share a trial and are deleted at once, the second one takes it along."""
    connection.execute(
        select(trial.c.id)
        .where(trial.c.id.in_(_trials_of(key)), trial.c.state.in_(ENDED))
        .order_by(trial.c.id)
        .with_for_update()
    ).all()
