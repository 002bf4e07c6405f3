"""Reading sweeps: counts over points, one page at a time, never metrics."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    func,
    or_,
    select,
    type_coerce,
)

from sweeper.errors import NotFound
from sweeper.storage.records import Best, Page, SweepRecord
from sweeper.storage.tables import point, stack, sweep, trial, variant
from sweeper.trials import Intent, Outcome, SweepState, TrialState, Variant, sweep_state


class Query(NamedTuple):
    """Which part of the list of sweeps."""

    limit: int
    cursor: str | None
    state: SweepState | None
    search: str
    tag: str | None = None
    archived: bool = False


class _Counts(NamedTuple):
    states: dict[TrialState, int]
    diverged: int


def record(connection: Connection, key: int) -> SweepRecord:
    """One sweep."""
    rows = connection.execute(select(sweep).where(sweep.c.id == key)).all()
    if not rows:
        raise NotFound("the sweep has just been deleted")
    return _records(connection, rows)[0]


def page(connection: Connection, query: Query) -> Page[SweepRecord]:
    """Sweeps after the cursor, newest first."""
    shown = sweep.c.archived_at.is_not(None) if query.archived else sweep.c.archived_at.is_(None)
    statement = select(sweep).where(shown).order_by(sweep.c.id.desc()).limit(query.limit + 1)
    if query.cursor is not None:
        statement = statement.where(sweep.c.id < _cursor_key(connection, query.cursor))
    if query.search:
        statement = statement.where(sweep.c.name.icontains(query.search, autoescape=True))
    if query.tag is not None:
        statement = statement.where(_has_tag(query.tag))
    if query.state is not None:
        statement = statement.where(_has_state(query.state))
    rows = connection.execute(statement).all()
    items = _records(connection, rows[: query.limit])
    more = len(rows) > query.limit
    return Page(items, items[-1].id if more else None)


def _has_tag(tag: str) -> ColumnElement[bool]:
    """Tags are one JSON text; quotes and commas occur in none."""
    return type_coerce(sweep.c.tags, Text).contains(json.dumps(tag), autoescape=True)


def all_tags(connection: Connection) -> tuple[str, ...]:
    """Every tag that a sweep has, in order."""
    found = connection.scalars(select(sweep.c.tags).distinct())
    return tuple(sorted({tag for tags in found for tag in tags}))


def shown_state() -> ColumnElement[str]:
    """The state of a trial for people: claimed but not on a worker yet is still pending.

    The query must join `stack` to `trial`, as `with_stack` does.
    """
    waits = and_(trial.c.state == TrialState.RUNNING, stack.c.started.is_(False))
    return case((waits, TrialState.PENDING), else_=trial.c.state)


def with_stack() -> Any:
    """Points with their trials and the stacks that hold them."""
    trials = point.join(trial, trial.c.id == point.c.trial_id)
    return trials.outerjoin(stack, stack.c.id == trial.c.stack_id)


def _cursor_key(connection: Connection, cursor: str) -> int:
    key = connection.scalar(select(sweep.c.id).where(sweep.c.public_id == cursor))
    if key is None:
        raise NotFound(f"there is no sweep {cursor!r} to continue the list from")
    assert isinstance(key, int)
    return key


def _has_state(state: SweepState) -> ColumnElement[bool]:
    """The rule of `sweep_state` as a condition."""
    live = or_(_has_point(TrialState.PENDING, TrialState.RUNNING), _has_open_rounds())
    begun = _has_point(*(s for s in TrialState if s is not TrialState.PENDING))
    bad = _has_point(TrialState.FAILED, TrialState.CANCELLED)
    active, paused = sweep.c.intent == Intent.ACTIVE, sweep.c.intent == Intent.PAUSED
    kept = sweep.c.intent != Intent.CANCELLED
    return {
        SweepState.CANCELLED: sweep.c.intent == Intent.CANCELLED,
        SweepState.PAUSED: and_(paused, live),
        SweepState.RUNNING: and_(active, live, begun),
        SweepState.QUEUED: and_(active, live, ~begun),
        SweepState.DONE: and_(kept, ~live, ~bad),
        SweepState.DONE_WITH_FAILURES: and_(kept, ~live, bad),
    }[state]


def _has_point(*states: TrialState) -> ColumnElement[bool]:
    found = select(point.c.id).select_from(with_stack())
    chosen = found.where(point.c.sweep_id == sweep.c.id, shown_state().in_(states))
    return chosen.correlate(sweep).exists()


def _has_open_rounds() -> ColumnElement[bool]:
    found = select(variant.c.id).where(variant.c.sweep_id == sweep.c.id, variant.c.rounds_open)
    return found.correlate(sweep).exists()


def _records(connection: Connection, rows: Sequence[Any]) -> tuple[SweepRecord, ...]:
    keys = [row.id for row in rows]
    counts = _counts(connection, keys)
    variants, rounds_open = _variants(connection, keys)
    best = _best(connection, keys)
    return tuple(
        SweepRecord(
            id=row.public_id,
            name=row.name,
            spec=row.spec,
            parameter=row.parameter,
            axis_scale=row.axis_scale,
            priority=row.priority,
            intent=Intent(row.intent),
            state=sweep_state(
                Intent(row.intent), counts[row.id].states, rounds_open=row.id in rounds_open
            ),
            created_at=row.created_at,
            counts=counts[row.id].states,
            total=row.num_points,
            diverged=counts[row.id].diverged,
            variants=tuple(variants[row.id]),
            best=best.get(row.id),
            rounds_open=row.id in rounds_open,
            note=row.note or "",
            tags=tuple(row.tags),
            archived=row.archived_at is not None,
        )
        for row in rows
    )


def _counts(connection: Connection, keys: Sequence[int]) -> dict[int, _Counts]:
    state = shown_state().label("state")
    # Grouped by the label's position in a subquery: PostgreSQL does not see that two
    # expressions with bound parameters are the same.
    shown = (
        select(point.c.sweep_id, state, trial.c.outcome)
        .select_from(with_stack())
        .where(point.c.sweep_id.in_(keys))
        .subquery()
    )
    diverged = func.sum(case((shown.c.outcome == Outcome.DIVERGED, 1), else_=0))
    rows = connection.execute(
        select(shown.c.sweep_id, shown.c.state, func.count(), diverged).group_by(
            shown.c.sweep_id, shown.c.state
        )
    ).all()
    counts = {key: _Counts(dict.fromkeys(TrialState, 0), 0) for key in keys}
    for key, name, number, num_diverged in rows:
        before = counts[key]
        before.states[TrialState(name)] = number
        counts[key] = _Counts(before.states, before.diverged + num_diverged)
    return counts


def _variants(
    connection: Connection, keys: Sequence[int]
) -> tuple[dict[int, list[Variant]], set[int]]:
    """The variants of each sweep, and the sweeps whose rounds have not come to their end."""
    rows = connection.execute(
        select(variant)
        .where(variant.c.sweep_id.in_(keys))
        .order_by(variant.c.sweep_id, variant.c.position)
    ).all()
    variants: dict[int, list[Variant]] = defaultdict(list)
    for row in rows:
        variants[row.sweep_id].append(
            Variant(
                label=row.label,
                optimizer=row.optimizer,
                scale=row.scale,
                architecture=row.architecture,
                overrides=row.overrides,
            )
        )
    return variants, {row.sweep_id for row in rows if row.rounds_open}


def _best(connection: Connection, keys: Sequence[int]) -> dict[int, Best]:
    rows = connection.execute(select(ranked := _ranked(keys).subquery()).where(ranked.c.rank == 1))
    return {row.sweep_id: Best(label=row.label, value=row.value, loss=row.loss) for row in rows}


def _ranked(keys: Sequence[int]) -> Select[Any]:
    rank = func.row_number().over(
        partition_by=point.c.sweep_id, order_by=(trial.c.final_loss, point.c.id)
    )
    return (
        select(
            point.c.sweep_id,
            variant.c.label,
            point.c.value,
            trial.c.final_loss.label("loss"),
            rank.label("rank"),
        )
        .select_from(
            point.join(trial, trial.c.id == point.c.trial_id).join(
                variant, variant.c.id == point.c.variant_id
            )
        )
        .where(point.c.sweep_id.in_(keys), trial.c.final_loss.is_not(None))
    )
