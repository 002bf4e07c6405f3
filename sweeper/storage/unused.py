"""What no sweep needs any more: trials without a point, with their metrics, and empty stacks.

A trial that has been replaced stays as long as the one that replaces it. What lies in a stack that
is not closed stays until it is: slots and checkpoints of a stack are those of all its members.
"""

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from sweeper.storage.states import StackState
from sweeper.storage.tables import attempt, metric, point, stack, trial
from sweeper.trials import TrialState

ENDED = (TrialState.DONE, TrialState.FAILED, TrialState.CANCELLED)
_CHUNK = 500


def close_dead_stacks(connection: Connection, sweep_key: int) -> None:
    """Close the interrupted stacks of a sweep whose members have all ended: nobody claims them.

    One that somebody is about to claim is left to them, who will find the same.
    """
    alive = select(trial.c.id).where(trial.c.stack_id == stack.c.id, trial.c.state.not_in(ENDED))
    of_sweep = select(point.c.trial_id).where(point.c.sweep_id == sweep_key)
    dead = connection.scalars(
        select(stack.c.id)
        .where(
            stack.c.id.in_(select(trial.c.stack_id).where(trial.c.id.in_(of_sweep))),
            stack.c.state == StackState.PENDING,
            ~alive.correlate(stack).exists(),
        )
        .order_by(stack.c.id)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    connection.execute(update(stack).where(stack.c.id.in_(dead)).values(state=StackState.CLOSED))
    discard_unused_trials(connection, trial.c.stack_id.in_(dead))


def discard_all_unused(connection: Connection) -> int:
    """Delete every unused trial and stack; how many trials."""
    number = discard_unused_trials(connection, trial.c.id.is_not(None))
    _discard_empty_stacks(connection)
    return number


def discard_unused_trials(connection: Connection, among: ColumnElement[bool]) -> int:
    """Delete the unused trials among some, newest replacements first; how many."""
    number = 0
    unused = select(trial.c.id).where(among, _is_unused()).order_by(trial.c.id).limit(_CHUNK)
    # Locked first: whoever is about to put a point on one holds it, and then it is not unused.
    while ids := connection.scalars(unused.with_for_update(skip_locked=True)).all():
        chosen = and_(trial.c.id.in_(ids), _is_unused())
        gone = select(trial.c.id).where(chosen)
        connection.execute(delete(metric).where(metric.c.trial_id.in_(gone)))
        connection.execute(
            update(attempt)
            .where(attempt.c.charged_trial_id.in_(gone))
            .values(charged_trial_id=None)
        )
        number += connection.execute(delete(trial).where(chosen)).rowcount
    return number


def _is_unused() -> ColumnElement[bool]:
    newer = trial.alias("newer")
    has_point = select(point.c.id).where(point.c.trial_id == trial.c.id).correlate(trial)
    has_newer = select(newer.c.id).where(newer.c.replaces == trial.c.id).correlate(trial)
    is_closed = select(stack.c.id).where(
        stack.c.id == trial.c.stack_id, stack.c.state == StackState.CLOSED
    )
    return and_(
        trial.c.state.in_(ENDED),
        ~has_point.exists(),
        ~has_newer.exists(),
        or_(trial.c.stack_id.is_(None), is_closed.correlate(trial).exists()),
    )


def _discard_empty_stacks(connection: Connection) -> None:
    """Closed stacks without a trial; those that were split go after their parts.

    The row of the newest one stays: SQLite would give its key to the next stack, and what is still
    to be said of an attempt names stack, attempt and epoch.
    """
    part = stack.alias("part")
    has_trial = select(trial.c.id).where(trial.c.stack_id == stack.c.id).correlate(stack)
    has_part = select(part.c.id).where(part.c.parent_id == stack.c.id).correlate(stack)
    empty = select(stack.c.id).where(
        stack.c.state == StackState.CLOSED,
        stack.c.id < select(func.max(stack.alias("newest").c.id)).scalar_subquery(),
        ~has_trial.exists(),
        ~has_part.exists(),
    )
    while ids := connection.scalars(empty.order_by(stack.c.id).limit(_CHUNK)).all():
        connection.execute(delete(attempt).where(attempt.c.stack_id.in_(ids)))
        connection.execute(delete(stack).where(stack.c.id.in_(ids)))
