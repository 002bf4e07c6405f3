"""One live trial per fingerprint: finding it, making it, and replacing a dead one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, func, select, text, update

from sweeper.storage.idempotency import upsert
from sweeper.storage.tables import DEAD, point, sweep, trial
from sweeper.trials import TrialState

T = TypeVar("T")

_DEAD = (TrialState.FAILED, TrialState.CANCELLED)
_CHUNK = 500
"""Fingerprints per statement: far below the limit on variables of either database."""


class NewTrial(NamedTuple):
    """A trial that is needed."""

    fingerprint: str
    stack_key: str
    config: Mapping[str, Any]


class Found(NamedTuple):
    """Keys of the live trials by fingerprint, and how many of them were made just now."""

    ids: dict[str, int]
    new: int


def live_fingerprints(connection: Connection, fingerprints: Sequence[str]) -> set[str]:
    """Those of the fingerprints that have a live trial."""
    found: set[str] = set()
    for chunk in _chunks(fingerprints):
        found.update(
            connection.scalars(
                select(trial.c.fingerprint).where(
                    trial.c.fingerprint.in_(chunk), trial.c.state.not_in(_DEAD)
                )
            )
        )
    return found


def live_trials(connection: Connection, wanted: Sequence[NewTrial]) -> Found:
    """The live trial of each fingerprint, locked; made where there is none.

    Points on the failed and cancelled trials that a new one replaces move to it.
    """
    missing = {t.fingerprint: t for t in wanted}
    ids: dict[str, int] = {}
    made: set[str] = set()
    new: dict[str, int] = {}
    while missing:
        for row in _locked(connection, sorted(missing)):
            ids[row.fingerprint] = row.id
            if row.public_id in made:
                new[row.fingerprint] = row.id
            del missing[row.fingerprint]
        if missing:  # again after that: another transaction may have ended what we just met
            made |= _insert(connection, list(missing.values()))
    _repoint(connection, new)
    return Found(ids, len(new))


def revive(connection: Connection, sweep_key: int) -> int:
    """Point the sweep's failed and cancelled points at live trials; returns how many trials."""
    dead = connection.execute(
        select(trial.c.fingerprint, trial.c.stack_key, trial.c.config)
        .where(
            trial.c.id.in_(select(point.c.trial_id).where(point.c.sweep_id == sweep_key)),
            trial.c.state.in_(_DEAD),
        )
        .order_by(trial.c.id)
    )
    wanted = {row.fingerprint: NewTrial(*row) for row in dead}
    found = live_trials(connection, list(wanted.values()))
    _repoint(connection, found.ids)
    return len(wanted)


def _locked(connection: Connection, fingerprints: Sequence[str]) -> list[Any]:
    rows: list[Any] = []
    for chunk in _chunks(fingerprints):
        rows += connection.execute(
            select(trial.c.id, trial.c.public_id, trial.c.fingerprint)
            .where(trial.c.fingerprint.in_(chunk), trial.c.state.not_in(_DEAD))
            .order_by(trial.c.id)
            .with_for_update(key_share=True)
        ).all()
    return rows


def _insert(connection: Connection, wanted: Sequence[NewTrial]) -> set[str]:
    """Insert what is not there. Submits that overlap in another order deadlock and are retried.

    Returns the public ids that were tried; those of trials that were there already lead nowhere.
    """
    replaced = _newest_dead(connection, [t.fingerprint for t in wanted])
    created_at = datetime.now(UTC)
    rows = [
        {
            "public_id": token_hex(8),
            "fingerprint": t.fingerprint,
            "stack_key": t.stack_key,
            "config": t.config,
            "state": TrialState.PENDING,
            "replaces": replaced.get(t.fingerprint),
            "created_at": created_at,
        }
        for t in wanted
    ]
    statement = upsert(connection)(trial).on_conflict_do_nothing(
        index_elements=[trial.c.fingerprint], index_where=text(f"state NOT IN {DEAD}")
    )
    connection.execute(statement, rows)
    return {str(row["public_id"]) for row in rows}


def _newest_dead(connection: Connection, fingerprints: Sequence[str]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for chunk in _chunks(fingerprints):
        rows = connection.execute(
            select(trial.c.fingerprint, func.max(trial.c.id))
            .where(trial.c.fingerprint.in_(chunk), trial.c.state.in_(_DEAD))
            .group_by(trial.c.fingerprint)
        )
        newest.update((fingerprint, key) for fingerprint, key in rows)
    return newest


def _repoint(connection: Connection, ids: Mapping[str, int]) -> None:
    """Move the points on dead trials of these fingerprints to the live ones."""
    moves = []
    for chunk in _chunks(sorted(ids)):
        dead = connection.execute(
            select(trial.c.id, trial.c.fingerprint).where(
                trial.c.fingerprint.in_(chunk), trial.c.state.in_(_DEAD)
            )
        )
        moves += [{"dead": row.id, "live": ids[row.fingerprint]} for row in dead]
    if moves:
        _lock_sweeps(connection, [move["dead"] for move in moves])
        statement = update(point).where(point.c.trial_id == bindparam("dead"))
        connection.execute(statement.values(trial_id=bindparam("live")), moves)


def _lock_sweeps(connection: Connection, dead: Sequence[int]) -> None:
    """Lock the sweeps whose points move: their intent decides on the demand for the live trials."""
    found: set[int] = set()
    for chunk in _chunks(dead):
        found.update(
            connection.scalars(select(point.c.sweep_id).where(point.c.trial_id.in_(chunk)))
        )
    connection.execute(
        select(sweep.c.id)
        .where(sweep.c.id.in_(found))
        .order_by(sweep.c.id)
        .with_for_update(key_share=True)
    ).all()


def _chunks(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[i : i + _CHUNK] for i in range(0, len(values), _CHUNK)]
