"""What happens to a stack that did not finish: it goes back, is split, or its members fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from sweeper.failures import FIRST_FAILURES, POLICIES, Failure, FailureKind, Remedy, remedy
from sweeper.storage.claims import insert_stack
from sweeper.storage.demand import pause_sweeps
from sweeper.storage.events import Draft, sweeps_of, write_events
from sweeper.storage.idempotency import upsert
from sweeper.storage.ownership import fence, hold
from sweeper.storage.progress import end, live_members
from sweeper.storage.records import EventKind
from sweeper.storage.states import StackState
from sweeper.storage.tables import attempt, point, stack, trial
from sweeper.trials import TrialState


@dataclass(frozen=True, kw_only=True)
class Handled:
    """What a failure led to: new stacks of a split, trials that failed, keys of paused sweeps."""

    remedy: Remedy
    stacks: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    paused_sweeps: tuple[int, ...] = ()


def give_back(connection: Connection, running: tuple[int, int, int], reason: str) -> bool:
    """Return a stack as it is, to be claimed again; that does not count towards a split."""
    held = hold(connection, *running)
    if held is None:
        return False
    live = live_members(connection, held.id)
    _return(connection, held, live, reason, losses=held.losses)
    data = {"stack": held.id, "attempt": held.attempt}
    draft = Draft(
        sweeps=sweeps_of(connection, live), kind=EventKind.RETURNED, message=reason, data=data
    )
    write_events(connection, [draft])
    return True


def split(
    connection: Connection, running: tuple[int, int, int], parts: Sequence[Sequence[int]]
) -> tuple[int, ...] | None:
    """Close a stack and open one for each part (trial ids); None if superseded.

    Together the parts must be the live members; those that have ended meanwhile are left out.
    """
    held = hold(connection, *running)
    if held is None:
        return None
    live = live_members(connection, held.id)
    wanted = [[member for member in part if member in live] for part in parts]
    assert sorted(chain.from_iterable(wanted)) == live, "each live member is in one part"
    children = _split(connection, held, [part for part in wanted if part], "split")
    write_events(connection, [_split_event(connection, held, live, children, "split on request")])
    return children


def fail(connection: Connection, running: tuple[int, int, int], failure: Failure) -> Handled | None:
    """Apply the policy of the failure to a stack; None if superseded."""
    held = hold(connection, *running)
    if held is None:
        return None
    live = live_members(connection, held.id)
    if not live:
        end(connection, held, StackState.CLOSED, failure.kind)
        return Handled(remedy=Remedy.AS_IT_WAS)
    charged = live[0] if len(live) == 1 else None
    _note(connection, held, failure, charged)
    losses = held.losses + 1
    what = remedy(
        failure.kind,
        live=len(live),
        losses=losses,
        charges=_charges(connection, charged, failure.kind),
    )
    handled, drafts = _apply(connection, held, live, failure, what)
    write_events(connection, drafts)
    return handled


def reject(
    connection: Connection, epoch: int, trial_ids: Sequence[int], message: str, kind: FailureKind
) -> tuple[int, ...]:
    """Fail free trials that cannot be run here; returns those that were still free."""
    fence(connection, epoch)
    failure = Failure(kind=kind, message=message)
    free = connection.scalars(
        select(trial.c.id)
        .where(
            trial.c.id.in_(trial_ids),
            trial.c.state == TrialState.PENDING,
            trial.c.stack_id.is_(None),
        )
        .order_by(trial.c.id)
        .with_for_update(key_share=True)
    ).all()
    drafts, _ = _fail_trials(connection, free, failure)
    write_events(connection, drafts)
    return tuple(free)


def _apply(
    connection: Connection, held: Any, live: Sequence[int], failure: Failure, what: Remedy
) -> tuple[Handled, list[Draft]]:
    data = {"stack": held.id, "attempt": held.attempt, "failure": failure.kind}
    returned = Draft(
        sweeps=sweeps_of(connection, live),
        kind=EventKind.RETURNED,
        message=f"{failure.kind}: {failure.message}; {POLICIES[failure.kind].advice}",
        data=data,
    )
    if what is Remedy.FAIL:
        end(connection, held, StackState.CLOSED, failure.kind)
        drafts, paused = _fail_trials(connection, live, failure)
        handled = Handled(remedy=what, failed=tuple(live), paused_sweeps=tuple(paused))
        return handled, drafts
    if what is Remedy.SPLIT:
        slots = {member: slot for slot, member in enumerate(held.members)}
        ordered = sorted(live, key=slots.__getitem__)
        middle = (len(ordered) + 1) // 2
        parts = [ordered[:middle], ordered[middle:]]
        children = _split(connection, held, parts, failure.kind)
        draft = _split_event(connection, held, live, children, f"{failure.kind}: {failure.message}")
        return Handled(remedy=what, stacks=children), [draft]
    if what is Remedy.PAUSE:
        _return(connection, held, live, failure.kind, losses=held.losses)
        paused = pause_sweeps(connection, returned.sweeps)
        drafts = [_paused(paused, returned.message)]
        return Handled(remedy=what, paused_sweeps=tuple(paused)), [returned, *drafts]
    if what is Remedy.OLDER_CHECKPOINT:
        connection.execute(
            update(stack).where(stack.c.id == held.id).values(checkpoints=held.checkpoints[1:])
        )
    lost = what is Remedy.AS_IT_WAS
    _return(connection, held, live, failure.kind, losses=held.losses + lost)
    return Handled(remedy=what), [returned]


def _return(
    connection: Connection, held: Any, live: Sequence[int], reason: str, *, losses: int
) -> None:
    state = StackState.PENDING if live else StackState.CLOSED
    end(connection, held, state, reason, losses=losses)
    connection.execute(
        update(trial)
        .where(trial.c.id.in_(live), trial.c.state == TrialState.RUNNING)
        .values(state=TrialState.PENDING)
    )


def _split(
    connection: Connection, held: Any, parts: Sequence[Sequence[int]], reason: str
) -> tuple[int, ...]:
    end(connection, held, StackState.CLOSED, reason)
    children = []
    for part in parts:
        slots = [held.members.index(member) for member in part]
        child = insert_stack(
            connection,
            state=StackState.PENDING,
            members=part,
            attempt=0,
            epoch=held.epoch,
            threads=held.threads,
            step=held.step,
            checkpoints=[
                known | {"slots": [known["slots"][slot] for slot in slots]}
                for known in held.checkpoints
            ],
            checkpoint_step=held.checkpoint_step,
            parent_id=held.id,
        )
        connection.execute(
            update(trial)
            .where(trial.c.id.in_(part), trial.c.state == TrialState.RUNNING)
            .values(state=TrialState.PENDING, stack_id=child.id)
        )
        children.append(child.id)
    return tuple(children)


def _split_event(
    connection: Connection, held: Any, live: Sequence[int], children: Sequence[int], reason: str
) -> Draft:
    return Draft(
        sweeps=sweeps_of(connection, live),
        kind=EventKind.SPLIT,
        message=f"stack {held.id} goes on in {len(children)} stacks ({reason})",
        data={"stack": held.id, "stacks": list(children)},
    )


def _note(connection: Connection, held: Any, failure: Failure, charged: int | None) -> None:
    """Keep the failure in the attempt's row, which a worker that never started does not have."""
    found = {
        "failure": failure.kind,
        "failure_message": failure.message,
        "next_step": POLICIES[failure.kind].advice,
        "traceback": failure.traceback,
        "log_tail": failure.log_tail,
        "charged_trial_id": charged,
    }
    unstarted = {
        "stack_id": held.id,
        "attempt": held.attempt,
        "epoch": held.epoch,
        "tune_trial_id": "",
        "host": "",
        "pid": 0,
        "started_at": datetime.now(UTC),
    }
    connection.execute(
        upsert(connection)(attempt)
        .values(unstarted | found)
        .on_conflict_do_update(index_elements=["stack_id", "attempt"], set_=found)
    )


def _charges(connection: Connection, charged: int | None, kind: FailureKind) -> int:
    if charged is None:
        return 0
    number: int = connection.execute(
        select(func.count()).where(attempt.c.charged_trial_id == charged, attempt.c.failure == kind)
    ).scalar_one()
    return number


def _fail_trials(
    connection: Connection, trial_ids: Sequence[int], failure: Failure
) -> tuple[list[Draft], list[int]]:
    """Fail the trials; pause the sweeps that have seen nothing but failures of their own making."""
    failed = connection.execute(
        update(trial)
        .where(
            trial.c.id.in_(trial_ids),
            trial.c.state.in_([TrialState.PENDING, TrialState.RUNNING]),
        )
        .values(
            state=TrialState.FAILED,
            failure=failure.kind,
            failure_message=failure.message,
            finished_at=datetime.now(UTC),
        )
        .returning(trial.c.id, trial.c.public_id)
    ).all()
    policy = POLICIES[failure.kind]
    drafts = [
        Draft(
            sweeps=sweeps_of(connection, [row.id]),
            kind=EventKind.TRIAL_FAILED,
            message=f"trial {row.public_id} failed, {failure.kind}: {failure.message}; "
            f"{policy.advice}",
            data={"trial": row.public_id, "failure": failure.kind},
        )
        for row in sorted(failed)
    ]
    if not policy.counts:
        return drafts, []
    hopeless = _hopeless(connection, sweeps_of(connection, trial_ids))
    paused = pause_sweeps(connection, hopeless)
    reason = f"the first {FIRST_FAILURES} trials failed: {failure.message}; {policy.advice}"
    return [*drafts, _paused(paused, reason)], paused


def _hopeless(connection: Connection, sweeps: Sequence[int]) -> list[int]:
    """Sweeps with nothing done and many trials failed by their own fault."""
    own = [kind for kind, policy in POLICIES.items() if policy.counts]
    failed = func.count(case((trial.c.failure.in_(own), trial.c.id)).distinct())
    done = func.count(case((trial.c.state == TrialState.DONE, trial.c.id)))
    return list(
        connection.scalars(
            select(point.c.sweep_id)
            .select_from(point.join(trial, trial.c.id == point.c.trial_id))
            .where(point.c.sweep_id.in_(sweeps))
            .group_by(point.c.sweep_id)
            .having(failed >= FIRST_FAILURES, done == 0)
        )
    )


def _paused(sweeps: Sequence[int], reason: str) -> Draft:
    return Draft(sweeps=sweeps, kind=EventKind.PAUSED, message=reason, data={})
