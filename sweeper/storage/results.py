"""Reading results: frames and records of points, trials and metrics."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Text, func, select, text, type_coerce

from sweeper.errors import NotFound
from sweeper.storage import histories
from sweeper.storage.engine import Database
from sweeper.storage.listing import shown_state, with_stack
from sweeper.storage.records import AttemptRecord, StackShape, SweepReference, TrialRecord
from sweeper.storage.tables import attempt, metric, point, stack, sweep, trial, variant
from sweeper.trials import Outcome, TrialState

_FLOATS = (
    "value",
    "final_loss",
    "best_loss",
    "train_loss",
    "initial_loss",
    "last_finite_loss",
    "busy_s",
)
_INTEGERS = ("variant", "seed", "step")
_OPTIONAL_INTEGERS = ("diverged_at_step", "stack")
_TEXTS = ("state", "outcome", "failure", "failure_message", "provenance")
_RESULTS = (
    trial.c.outcome,
    trial.c.final_loss,
    trial.c.best_loss,
    trial.c.train_loss,
    trial.c.initial_loss,
    trial.c.last_finite_loss,
    trial.c.diverged_at_step,
    trial.c.busy_s,
    trial.c.finished_at,
)
# A diverged trial stands still while its stack goes on.
_STEP = func.coalesce(trial.c.diverged_at_step, stack.c.step, 0).label("step")


class Results:
    """What has been measured. Reads only; any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def points(self, sweep_id: str) -> pd.DataFrame:
        """One row per point, by variant, value, seed; `config` and `provenance` are JSON texts."""
        return self._database.read(lambda connection: _points(connection, sweep_id))

    def trials(self, sweep_id: str) -> pd.DataFrame:
        """One row per trial of the sweep: `trial_id`, `state`, `step`, `steps` and the results."""
        return self._database.read(lambda connection: _trials(connection, sweep_id))

    def trial(self, trial_id: str) -> TrialRecord:
        """A trial with its attempts and the sweeps that want it."""
        return self._database.read(lambda connection: _trial(connection, trial_id))

    def metrics(self, trial_id: str, keys: Sequence[str] | None = None) -> pd.DataFrame:
        """Measured numbers by key and step: columns `key`, `step`, `value`, `kind`."""
        return self._database.read(lambda connection: _metrics(connection, trial_id, keys))

    def validation_losses(self, trial_ids: Sequence[str]) -> dict[str, dict[int, float]]:
        """Held-out loss by step, by trial."""
        return self._database.read(
            lambda connection: histories.validation_losses(connection, trial_ids)
        )

    def log(self, trial_id: str) -> str:
        """What went wrong in each failed attempt, oldest first, with the tail of its log."""
        return "\n".join(_told(a) for a in self.trial(trial_id).attempts if a.failure)

    def integrity(self) -> list[tuple[str, str | None, str | None]]:
        """Broken promises (problem, sweep, trial): always empty."""
        statement = text("SELECT problem, sweep, trial FROM v_integrity")
        return self._database.read(
            lambda connection: [
                (r.problem, r.sweep, r.trial) for r in connection.execute(statement)
            ]
        )


def _points(connection: Connection, sweep_id: str) -> pd.DataFrame:
    config = type_coerce(trial.c.config, Text)
    statement = (
        select(
            variant.c.position.label("variant"),
            variant.c.label,
            variant.c.optimizer,
            variant.c.scale,
            variant.c.architecture,
            sweep.c.parameter,
            sweep.c.axis_scale,
            point.c.value,
            point.c.seed,
            point.c.origin,
            trial.c.public_id.label("trial_id"),
            shown_state().label("state"),
            *_RESULTS,
            trial.c.failure,
            _hyperparameters(connection).label("hyperparameters"),
            config.label("config"),
            type_coerce(trial.c.provenance, Text).label("provenance"),
        )
        .select_from(
            with_stack()
            .join(sweep, sweep.c.id == point.c.sweep_id)
            .join(variant, variant.c.id == point.c.variant_id)
        )
        .where(sweep.c.public_id == sweep_id)
        .order_by(variant.c.position, point.c.value, point.c.seed)
    )
    return _of_sweep(connection, sweep_id, statement)


def _hyperparameters(connection: Connection) -> Any:
    if connection.dialect.name == "sqlite":
        return func.json_extract(trial.c.config, "$.hyperparameters", type_=Text)
    return func.json_extract_path_text(
        trial.c.config.op("::")(text("json")), "hyperparameters", type_=Text
    )


def _trials(connection: Connection, sweep_id: str) -> pd.DataFrame:
    config = type_coerce(trial.c.config, Text)
    statement = (
        select(
            trial.c.id,
            trial.c.public_id.label("trial_id"),
            shown_state().label("state"),
            _STEP,
            *_RESULTS,
            trial.c.failure,
            trial.c.failure_message,
            trial.c.stack_id.label("stack"),
            config.label("config"),
        )
        .distinct()
        .select_from(with_stack().join(sweep, sweep.c.id == point.c.sweep_id))
        .where(sweep.c.public_id == sweep_id)
        .order_by(trial.c.id)
    )
    return _of_sweep(connection, sweep_id, statement).drop(columns="id")


def _of_sweep(connection: Connection, sweep_id: str, statement: Any) -> pd.DataFrame:
    result = connection.execute(statement)
    rows = result.all()
    if not rows:
        found = connection.scalar(select(sweep.c.id).where(sweep.c.public_id == sweep_id))
        if found is None:
            raise NotFound(f"there is no sweep {sweep_id!r}")
    frame = pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(result.keys()))
    types = {name: "float64" for name in _FLOATS if name in frame}
    types |= {name: "int64" for name in _INTEGERS if name in frame}
    types |= {name: "Int64" for name in _OPTIONAL_INTEGERS if name in frame}
    types |= {name: "str" for name in _TEXTS if name in frame}
    types["finished_at"] = "datetime64[us, UTC]"
    return frame.astype(types)


def _trial(connection: Connection, trial_id: str) -> TrialRecord:
    older = trial.alias("older")
    row = connection.execute(
        select(
            trial,
            shown_state().label("shown"),
            _STEP,
            older.c.public_id.label("replaced"),
        )
        .select_from(
            trial.outerjoin(stack, stack.c.id == trial.c.stack_id).outerjoin(
                older, older.c.id == trial.c.replaces
            )
        )
        .where(trial.c.public_id == trial_id)
    ).first()
    if row is None:
        raise NotFound(f"there is no trial {trial_id!r}")
    return TrialRecord(
        id=row.public_id,
        fingerprint=row.fingerprint,
        config=row.config,
        state=TrialState(row.shown),
        outcome=Outcome(row.outcome) if row.outcome else None,
        final_loss=row.final_loss,
        best_loss=row.best_loss,
        train_loss=row.train_loss,
        initial_loss=row.initial_loss,
        last_finite_loss=row.last_finite_loss,
        diverged_at_step=row.diverged_at_step,
        busy_s=row.busy_s,
        provenance=row.provenance or {},
        failure=row.failure,
        failure_message=row.failure_message,
        created_at=row.created_at,
        finished_at=row.finished_at,
        step=row.step,
        replaces=row.replaced,
        stack=_stack(connection, row),
        attempts=_attempts(connection, row.stack_id),
        sweeps=_sweeps(connection, row.id),
    )


def _stack(connection: Connection, of: Any) -> StackShape | None:
    """The stack of a trial; None before it has one, and where it was never trained."""
    if of.stack_id is None:
        return None
    row = connection.execute(select(stack).where(stack.c.id == of.stack_id)).one()
    known = select(trial.c.id, trial.c.public_id).where(trial.c.id.in_(row.members))
    ids = {one.id: one.public_id for one in connection.execute(known)}
    return StackShape(
        id=row.id,
        slot=row.members.index(of.id),
        threads=row.threads,
        members=tuple(ids.get(key) for key in row.members),
        part_of=row.parent_id,
    )


def _attempts(connection: Connection, stack_id: int | None) -> tuple[AttemptRecord, ...]:
    """Attempts of the stack and of those it was split from, oldest first."""
    if stack_id is None:
        return ()
    line = select(stack.c.id, stack.c.parent_id).where(stack.c.id == stack_id).cte(recursive=True)
    line = line.union_all(
        select(stack.c.id, stack.c.parent_id).where(stack.c.id == line.c.parent_id)
    )
    names = list(AttemptRecord.__dataclass_fields__)
    rows = connection.execute(
        select(*(attempt.c[name] for name in names))
        .where(attempt.c.stack_id.in_(select(line.c.id)))
        .order_by(attempt.c.stack_id, attempt.c.attempt)
    )
    return tuple(AttemptRecord(**dict(zip(names, row, strict=True))) for row in rows)


def _sweeps(connection: Connection, key: int) -> tuple[SweepReference, ...]:
    rows = connection.execute(
        select(sweep.c.public_id, sweep.c.name, variant.c.label, point.c.value, point.c.seed)
        .select_from(
            point.join(sweep, sweep.c.id == point.c.sweep_id).join(
                variant, variant.c.id == point.c.variant_id
            )
        )
        .where(point.c.trial_id == key)
        .order_by(point.c.id)
    )
    return tuple(
        SweepReference(id=row[0], name=row[1], label=row[2], value=row[3], seed=row[4])
        for row in rows
    )


def _metrics(connection: Connection, trial_id: str, keys: Sequence[str] | None) -> pd.DataFrame:
    key = connection.scalar(select(trial.c.id).where(trial.c.public_id == trial_id))
    if key is None:
        raise NotFound(f"there is no trial {trial_id!r}")
    statement = (
        select(metric.c.key, metric.c.step, metric.c.value, metric.c.kind, metric.c.detail)
        .where(metric.c.trial_id == key)
        .order_by(metric.c.key, metric.c.step)
    )
    if keys is not None:
        statement = statement.where(metric.c.key.in_(keys))
    rows = [tuple(row) for row in connection.execute(statement)]
    frame = pd.DataFrame.from_records(rows, columns=["key", "step", "value", "kind", "detail"])
    return frame.astype({"step": "int64", "value": "float64"})


def _told(record: AttemptRecord) -> str:
    head = (
        f"stack {record.stack_id}, attempt {record.attempt} on {record.host} "
        f"(process {record.pid}): {record.failure}: {record.failure_message}"
    )
    parts = [head, record.next_step, record.traceback, record.log_tail]
    return "\n".join(part.rstrip("\n") for part in parts if part) + "\n"
