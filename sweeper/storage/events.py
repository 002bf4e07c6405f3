"""Writing events. Their ids ascend in the order of the commits, so a reader can follow them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy import text as sql

from sweeper.storage.records import EventKind
from sweeper.storage.tables import event, point, sweep

_LOCK = 7_313_460_128
"""Key of the advisory lock that orders the events of PostgreSQL transactions."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An event to be written for several sweeps (their integer keys)."""

    sweeps: Sequence[int]
    kind: EventKind
    message: str
    data: Mapping[str, Any]


def write_events(connection: Connection, drafts: Iterable[Draft]) -> None:
    """Insert the events. The last thing a transaction does: from here to its end it is alone."""
    created_at = datetime.now(UTC)
    rows = [
        {
            "sweep_id": sweep_id,
            "kind": draft.kind,
            "message": draft.message,
            "data": draft.data,
            "created_at": created_at,
        }
        for draft in drafts
        for sweep_id in draft.sweeps
    ]
    if rows and connection.dialect.name == "postgresql":
        rows = _of_sweeps_that_stay(connection, rows)
        connection.execute(sql("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if rows:
        connection.execute(insert(event), rows)


def _of_sweeps_that_stay(
    connection: Connection, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Without those of sweeps that were just deleted; until the commit the others cannot be."""
    found = connection.scalars(
        select(sweep.c.id)
        .where(sweep.c.id.in_({row["sweep_id"] for row in rows}))
        .order_by(sweep.c.id)
        .with_for_update(read=True, key_share=True)
    )
    there = set(found)
    return [row for row in rows if row["sweep_id"] in there]


def counts_by_sweep(connection: Connection, trial_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Keys of the sweeps with points on the trials, ascending, and on how many of them."""
    found = connection.execute(
        select(point.c.sweep_id, func.count(point.c.trial_id.distinct()))
        .where(point.c.trial_id.in_(trial_ids))
        .group_by(point.c.sweep_id)
    )
    return sorted((sweep_id, count) for sweep_id, count in found)


def sweeps_of(connection: Connection, trial_ids: Sequence[int]) -> list[int]:
    """Keys of the sweeps with a point on one of the trials, ascending."""
    found = connection.scalars(
        select(point.c.sweep_id).where(point.c.trial_id.in_(trial_ids)).distinct()
    )
    return sorted(found)
