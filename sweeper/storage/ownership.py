"""Who may write: the dispatcher's epoch and a stack's attempt.

Every dispatcher transaction begins with `fence`. The row is locked by it, so that a takeover waits
for the transactions of the old epoch, and the beat does not: it leaves the key alone.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, case, select, update

from sweeper.errors import Conflict, Fenced
from sweeper.storage.events import Draft, sweeps_of, write_events
from sweeper.storage.records import DispatcherRow, EventKind, Owner
from sweeper.storage.states import StackState
from sweeper.storage.tables import attempt, dispatcher, stack, trial
from sweeper.storage.unused import discard_all_unused
from sweeper.trials import TrialState


def fence(connection: Connection, epoch: int) -> None:
    """Raise `Fenced` unless the epoch is the acting one; it stays so until the commit."""
    found = connection.execute(
        select(dispatcher.c.epoch)
        .where(dispatcher.c.epoch == epoch)
        .with_for_update(read=True, key_share=True)
    ).first()
    if found is None:
        raise Fenced


def hold(connection: Connection, epoch: int, stack_id: int, number: int) -> Any:
    """The running stack's row, locked, or None if this attempt has been superseded."""
    fence(connection, epoch)
    return connection.execute(
        select(stack)
        .where(
            stack.c.id == stack_id,
            stack.c.state == StackState.RUNNING,
            stack.c.attempt == number,
            stack.c.epoch == epoch,
        )
        .with_for_update(key_share=True)
    ).first()


def acting(connection: Connection) -> DispatcherRow | None:
    """Who acts now, None if nobody ever did."""
    row = connection.execute(select(dispatcher)).one()
    if row.epoch == 0:
        return None
    return DispatcherRow(epoch=row.epoch, beat=row.beat, owner=Owner(**row.owner))


def beat(connection: Connection, epoch: int) -> None:
    """Raise the beat of the acting dispatcher."""
    changed = connection.execute(
        update(dispatcher).where(dispatcher.c.epoch == epoch).values(beat=dispatcher.c.beat + 1)
    )
    if changed.rowcount == 0:
        raise Fenced


def take_over(connection: Connection, seen: DispatcherRow | None, owner: Owner) -> int:
    """Raise the epoch and return all running stacks; `Conflict` if the row is not as seen."""
    epoch, still = (seen.epoch, seen.beat) if seen is not None else (0, 0)
    new: int | None = connection.scalar(
        update(dispatcher)
        .where(dispatcher.c.epoch == epoch, dispatcher.c.beat == still)
        .values(epoch=epoch + 1, beat=0, owner=asdict(owner))
        .returning(dispatcher.c.epoch)
    )
    if new is None:
        raise Conflict("another dispatcher acts")
    _return_all(connection, new)
    discard_all_unused(connection)
    return new


def _return_all(connection: Connection, epoch: int) -> None:
    # Interrupted stacks too: those whose members were all cancelled meanwhile are closed.
    waiting = stack.c.state == StackState.PENDING
    older = waiting | ((stack.c.state == StackState.RUNNING) & (stack.c.epoch < epoch))
    ids = connection.scalars(
        select(stack.c.id).where(older).order_by(stack.c.id).with_for_update(key_share=True)
    ).all()
    members = connection.scalars(
        update(trial)
        .where(trial.c.stack_id.in_(ids), trial.c.state == TrialState.RUNNING)
        .values(state=TrialState.PENDING)
        .returning(trial.c.id)
    ).all()
    live = (
        select(trial.c.id)
        .where(trial.c.stack_id == stack.c.id, trial.c.state == TrialState.PENDING)
        .correlate(stack)
        .exists()
    )
    connection.execute(
        update(stack)
        .where(stack.c.id.in_(ids))
        .values(state=case((live, StackState.PENDING), else_=StackState.CLOSED), started=False)
    )
    reason = "another dispatcher took over"
    connection.execute(
        update(attempt)
        .where(attempt.c.stack_id.in_(ids), attempt.c.ended_at.is_(None))
        .values(ended_at=datetime.now(UTC), end_reason=reason)
    )
    sweeps = sweeps_of(connection, members)
    draft = Draft(sweeps=sweeps, kind=EventKind.RETURNED, message=reason, data={"epoch": epoch})
    write_events(connection, [draft])
