"""Handing work to the dispatcher: interrupted stacks as they were, new ones of free trials."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, text, update

from sweeper.storage.events import Draft, counts_by_sweep, write_events
from sweeper.storage.idempotency import upsert
from sweeper.storage.ownership import fence, hold
from sweeper.storage.records import Claim, EventKind, FreeTrial, Member
from sweeper.storage.states import StackState
from sweeper.storage.tables import FREE, attempt, stack, trial
from sweeper.storage.unused import discard_unused_trials
from sweeper.trials import TrialState

_FREE = text(FREE)


def free_trials(connection: Connection, limit: int) -> list[FreeTrial]:
    """Trials that wait for a stack, the most wanted first."""
    rows = connection.execute(
        select(trial.c.id, trial.c.fingerprint, trial.c.stack_key, trial.c.config, trial.c.demand)
        .where(_FREE)
        .order_by(trial.c.demand.desc(), trial.c.id)
        .limit(limit)
    )
    return [FreeTrial(**row._mapping) for row in rows]


def claim_interrupted(connection: Connection, epoch: int) -> Claim | None:
    """The most wanted interrupted stack; paused members ride along."""
    fence(connection, epoch)
    waiting = (trial.c.stack_id == stack.c.id) & (trial.c.state == TrialState.PENDING)
    demand = select(func.max(trial.c.demand)).where(waiting).correlate(stack).scalar_subquery()
    picked = connection.scalar(
        select(stack.c.id)
        .where(stack.c.state == StackState.PENDING, demand.is_not(None))
        .order_by(demand.desc(), stack.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    if picked is None:
        return None
    row = connection.execute(
        update(stack)
        .where(stack.c.id == picked, stack.c.state == StackState.PENDING)
        .values(state=StackState.RUNNING, attempt=stack.c.attempt + 1, epoch=epoch, started=False)
        .returning(stack)
    ).one()
    live = connection.scalars(
        update(trial)
        .where(trial.c.stack_id == picked, trial.c.state == TrialState.PENDING)
        .values(state=TrialState.RUNNING)
        .returning(trial.c.id)
    ).all()
    if not live:  # cancelled while we took the stack
        connection.execute(
            update(stack).where(stack.c.id == picked).values(state=StackState.CLOSED)
        )
        discard_unused_trials(connection, trial.c.stack_id == picked)
        return None
    return _claim(connection, row, frozenset(live))


def claim_new(
    connection: Connection, epoch: int, trial_ids: Sequence[int], threads: int
) -> Claim | None:
    """A new stack of exactly these trials in this order; None if one of them is not free."""
    fence(connection, epoch)
    chosen = and_(trial.c.id.in_(trial_ids), _FREE)
    rows = connection.execute(
        select(trial.c.id, trial.c.stack_key)
        .where(chosen)
        .order_by(trial.c.id)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    if len(rows) != len(trial_ids):
        return None
    assert len({row.stack_key for row in rows}) == 1, "a stack is of one stack key"
    row = insert_stack(
        connection,
        state=StackState.RUNNING,
        members=list(trial_ids),
        attempt=1,
        epoch=epoch,
        threads=threads,
    )
    taken = connection.execute(
        update(trial).where(chosen).values(state=TrialState.RUNNING, stack_id=row.id)
    ).rowcount
    assert taken == len(trial_ids), "locked trials stay free"
    return _claim(connection, row, frozenset(trial_ids))


def insert_stack(connection: Connection, *, members: Sequence[int], **values: Any) -> Any:
    """The row of a new stack: `state`, `attempt`, `epoch`, `threads` and what differs."""
    fresh = {
        "started": False,
        "step": 0,
        "losses": 0,
        "checkpoints": [],
        "checkpoint_step": 0,
        "created_at": datetime.now(UTC),
    }
    return connection.execute(
        insert(stack)
        .values(fresh | values | {"members": list(members), "k": len(members)})
        .returning(stack)
    ).one()


def start(connection: Connection, claim: Claim, *, tune_trial_id: str, host: str, pid: int) -> bool:
    """Note that a worker runs the claim; False if it has been superseded."""
    row = hold(connection, claim.epoch, claim.stack_id, claim.attempt)
    if row is None:
        return False
    new = connection.execute(
        upsert(connection)(attempt)
        .values(
            stack_id=claim.stack_id,
            attempt=claim.attempt,
            epoch=claim.epoch,
            tune_trial_id=tune_trial_id,
            host=host,
            pid=pid,
            started_at=datetime.now(UTC),
        )
        .on_conflict_do_nothing()
        .returning(attempt.c.attempt)
    ).first()
    if new is None:
        return True
    connection.execute(update(stack).where(stack.c.id == claim.stack_id).values(started=True))
    live = [member.trial_id for member in claim.members if member.live]
    drafts = [
        Draft(
            sweeps=[sweep_id],
            kind=EventKind.STARTED,
            # A stack may hold trials of other sweeps too.
            message=f"{count} {'trial' if count == 1 else 'trials'} started on {host}",
            data={"stack": claim.stack_id, "attempt": claim.attempt, "host": host, "pid": pid},
        )
        for sweep_id, count in counts_by_sweep(connection, live)
    ]
    write_events(connection, drafts)
    return True


def _claim(connection: Connection, row: Any, live: frozenset[int]) -> Claim:
    found = connection.execute(
        select(trial.c.id, trial.c.fingerprint, trial.c.config).where(trial.c.id.in_(row.members))
    )
    known = {member.id: member for member in found}
    newest = row.checkpoints[0] if row.checkpoints else None
    return Claim(
        stack_id=row.id,
        attempt=row.attempt,
        epoch=row.epoch,
        members=tuple(
            Member(
                trial_id=key,
                fingerprint=known[key].fingerprint,
                config=known[key].config,
                live=key in live,
            )
            for key in row.members
        ),
        threads=row.threads,
        checkpoint=newest["path"] if newest else None,
        checkpoint_step=newest["step"] if newest else 0,
        checkpoint_slots=tuple(newest["slots"]) if newest else (),
    )
