"""What a running stack reports: metrics, checkpoints, results. A stale attempt changes nothing."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, select, update

from sweeper.storage.column_types import cleaned
from sweeper.storage.events import Draft, sweeps_of, write_events
from sweeper.storage.ownership import fence, hold
from sweeper.storage.records import Checkpoint, ControlRow, EventKind, MetricRow
from sweeper.storage.states import StackState
from sweeper.storage.tables import attempt, stack, trial
from sweeper.storage.unused import discard_unused_trials
from sweeper.trials import Outcome, TrialState

_KEPT_CHECKPOINTS = 2
_METRIC = {
    "sqlite": (
        "INSERT INTO metric (trial_id, key, step, value, kind, detail) VALUES (?, ?, ?, ?, ?, ?)"
    ),
    "postgresql": (
        "INSERT INTO metric (trial_id, key, step, value, kind, detail) SELECT * FROM unnest(%s"
        "::bigint[], %s::text[], %s::integer[], %s::double precision[], %s::text[], %s::text[])"
    ),
}
_UPSERT = (
    " ON CONFLICT (trial_id, key, step) DO UPDATE SET value = excluded.value, kind = excluded.kind,"
    " detail = excluded.detail"
)


class Result(Protocol):
    """What training a trial gave (`trainers.loop.TrialResult` is one)."""

    @property
    def outcome(self) -> str:
        """`finite` or `diverged`."""

    @property
    def final_loss(self) -> float | None:
        """At the last step; None if diverged."""

    @property
    def initial_loss(self) -> float | None:
        """At step 0."""

    @property
    def best_loss(self) -> float | None:
        """The lowest at any evaluation."""

    @property
    def train_loss(self) -> float | None:
        """Smoothed over the last steps."""

    @property
    def last_finite_loss(self) -> float | None:
        """The last one before it diverged."""

    @property
    def diverged_at_step(self) -> int | None:
        """None if finite."""

    @property
    def busy_s(self) -> float | None:
        """Device seconds."""


def record(
    connection: Connection,
    running: tuple[int, int, int],
    rows: Sequence[MetricRow],
    checkpoint: Checkpoint | None,
) -> bool:
    """Store metric rows and a checkpoint of (epoch, stack, attempt); False if superseded."""
    held = hold(connection, *running)
    if held is None:
        return False
    if rows:
        _upsert_metrics(connection, rows)
    changes: dict[str, Any] = {}
    if rows:
        changes["step"] = max(row.step for row in rows)
    if checkpoint is not None:
        changes |= _with_checkpoint(held, checkpoint)
    if changes:
        connection.execute(update(stack).where(stack.c.id == held.id).values(changes))
    return True


def _upsert_metrics(connection: Connection, rows: Sequence[MetricRow]) -> None:
    """One statement: the last of equal keys wins, as PostgreSQL refuses to write a row twice."""
    unique = {
        (r.trial_id, r.key, r.step): (
            *(r.trial_id, r.key, r.step),
            *(_finite(r.value), str(r.kind), r.detail),
        )
        for r in rows
    }
    statement = _METRIC[connection.dialect.name] + _UPSERT
    ordered = [unique[key] for key in sorted(unique)]
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(statement, ordered)
    else:
        columns = tuple(list(column) for column in zip(*ordered, strict=True))
        connection.exec_driver_sql(statement, columns)


def _with_checkpoint(held: Any, checkpoint: Checkpoint) -> dict[str, Any]:
    """The newest first. A checkpoint further than ever clears the losses."""
    new = {"path": checkpoint.path, "step": checkpoint.step, "slots": list(range(held.k))}
    older = [known for known in held.checkpoints if known["path"] != checkpoint.path]
    changes: dict[str, Any] = {"checkpoints": [new, *older][:_KEPT_CHECKPOINTS]}
    if checkpoint.step > held.checkpoint_step:
        changes |= {"checkpoint_step": checkpoint.step, "losses": 0}
    return changes


def accept(
    connection: Connection,
    running: tuple[int, int, int],
    trial_id: int,
    result: Result,
    provenance: Mapping[str, Any],
) -> bool:
    """Store the result of a member of (epoch, stack, attempt), once; False if superseded."""
    held = hold(connection, *running)
    if held is None:
        return False
    outcome = Outcome(result.outcome)
    final_loss = _finite(result.final_loss)
    assert (outcome is Outcome.FINITE) == (final_loss is not None), "finite means a final loss"
    changed = connection.execute(
        update(trial)
        .where(
            trial.c.id == trial_id,
            trial.c.stack_id == held.id,
            trial.c.state == TrialState.RUNNING,
        )
        .values(
            state=TrialState.DONE,
            outcome=outcome,
            final_loss=final_loss,
            best_loss=_finite(result.best_loss),
            train_loss=_finite(result.train_loss),
            initial_loss=_finite(result.initial_loss),
            last_finite_loss=_finite(result.last_finite_loss),
            diverged_at_step=result.diverged_at_step,
            busy_s=_finite(result.busy_s),
            provenance=_cleaned(provenance),
            finished_at=datetime.now(UTC),
        )
        .returning(trial.c.public_id)
    ).first()
    if changed is None:
        return False
    draft = Draft(
        sweeps=sweeps_of(connection, [trial_id]),
        kind=EventKind.TRIAL_DONE,
        message=f"trial {changed.public_id} is done: {outcome}",
        data={"trial": changed.public_id, "outcome": outcome},
    )
    write_events(connection, [draft])
    return True


def _cleaned(value: Any) -> Any:
    """The same value with texts that can be written."""
    if isinstance(value, Mapping):
        return {_cleaned(name): _cleaned(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(part) for part in value]
    return cleaned(value) if isinstance(value, str) else value


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def close(connection: Connection, running: tuple[int, int, int]) -> bool:
    """End a stack whose members all have ended; False if superseded or if one has not."""
    held = hold(connection, *running)
    if held is None or live_members(connection, held.id):
        return False
    end(connection, held, StackState.CLOSED, "finished")
    return True


def live_members(connection: Connection, stack_id: int) -> list[int]:
    """Trials that the stack is still to finish, locked, by key."""
    return list(
        connection.scalars(
            select(trial.c.id)
            .where(trial.c.stack_id == stack_id, trial.c.state == TrialState.RUNNING)
            .order_by(trial.c.id)
            .with_for_update(key_share=True)
        )
    )


def end(
    connection: Connection, held: Any, state: StackState, reason: str, losses: int | None = None
) -> None:
    """End the present attempt of a held stack."""
    connection.execute(
        update(stack)
        .where(stack.c.id == held.id)
        .values(state=state, started=False, losses=held.losses if losses is None else losses)
    )
    connection.execute(
        update(attempt)
        .where(attempt.c.stack_id == held.id, attempt.c.attempt == held.attempt)
        .values(ended_at=datetime.now(UTC), end_reason=reason)
    )
    if state is StackState.CLOSED:
        # Of sweeps that were deleted while it ran.
        discard_unused_trials(connection, trial.c.stack_id == held.id)


def control(connection: Connection, epoch: int) -> list[ControlRow]:
    """All running stacks of the epoch, with what each has to know."""
    fence(connection, epoch)
    rows = connection.execute(
        select(
            stack.c.id,
            stack.c.attempt,
            stack.c.members,
            trial.c.id.label("trial_id"),
            trial.c.state,
            trial.c.demand,
        )
        .select_from(stack.join(trial, trial.c.stack_id == stack.c.id))
        .where(stack.c.state == StackState.RUNNING, stack.c.epoch == epoch)
        .order_by(stack.c.id)
    ).all()
    grouped: dict[int, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.id, []).append(row)
    return [_control_row(group) for group in grouped.values()]


def _control_row(rows: Sequence[Any]) -> ControlRow:
    first = rows[0]
    slots = {trial_id: slot for slot, trial_id in enumerate(first.members)}
    cancelled = [slots[row.trial_id] for row in rows if row.state == TrialState.CANCELLED]
    demands = [row.demand for row in rows if row.state == TrialState.RUNNING]
    return ControlRow(
        stack_id=first.id,
        attempt=first.attempt,
        cancelled_slots=tuple(sorted(cancelled)),
        paused=bool(demands) and all(demand is None for demand in demands),
    )


def checkpoints(connection: Connection, stack_id: int) -> tuple[str, ...]:
    """The paths of a stack's checkpoints, the newest first."""
    known = connection.scalar(select(stack.c.checkpoints).where(stack.c.id == stack_id))
    return tuple(str(checkpoint["path"]) for checkpoint in known or ())


def folders_in_use(connection: Connection) -> frozenset[str]:
    """The first parts of the checkpoints' paths of all stacks that are not closed, and their own.

    A part of a split stack goes on from its parent's folder until it has a checkpoint of its own.
    """
    unclosed = select(stack.c.id, stack.c.checkpoints).where(stack.c.state != StackState.CLOSED)
    rows = connection.execute(unclosed).all()
    inherited = {str(known["path"]).split("/")[0] for row in rows for known in row.checkpoints}
    return frozenset({str(row.id) for row in rows} | inherited)
