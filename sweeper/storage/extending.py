"""Adding points to a sweep that is there, by hand or in a round. Nothing is ever added twice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from sweeper.digits import written
from sweeper.errors import Conflict
from sweeper.storage.demand import refresh_demand
from sweeper.storage.events import Draft, write_events
from sweeper.storage.identity import NewTrial, live_trials
from sweeper.storage.keys import lock_sweep
from sweeper.storage.records import EventKind
from sweeper.storage.tables import point, sweep, variant
from sweeper.trials import Expansion, Intent, PlannedPoint
from trainers.config import to_dict


@dataclass(frozen=True, kw_only=True)
class Extension:
    """Points that a sweep got: how many, how many of those asked for were `there` already.

    `total`, `new` and `shared` count the trials of the added points.
    """

    sweep_id: str
    points: int
    there: int
    total: int
    new: int
    shared: int


def has_rounds(spec: Mapping[str, Any]) -> bool:
    """Whether a sweep asks for points of its own accord: bracketing, refinement or a search."""
    return any(spec.get(name) is not None for name in ("extend", "refine", "search"))


def wanted_trials(expansion: Expansion, salt: str) -> list[NewTrial]:
    """The trials of an expansion; those with a salt are shared with no other sweep."""
    return [
        NewTrial(t.fingerprint + salt, t.stack_key, to_dict(t.config)) for t in expansion.trials
    ]


def insert_points(
    connection: Connection,
    key: int,
    variant_ids: Sequence[int],
    points: Sequence[PlannedPoint],
    trial_ids: Mapping[str, int],
    salt: str,
    number: int | None = None,
) -> None:
    """Insert points of a sweep; `number` is the round that adds them, if one does."""
    rows = [
        {
            "sweep_id": key,
            "variant_id": variant_ids[p.variant],
            "value": p.value,
            "seed": p.seed,
            "origin": p.origin,
            "trial_id": trial_ids[p.fingerprint + salt],
            "round": number,
        }
        for p in points
    ]
    if rows:
        connection.execute(insert(point), rows)


def extend(connection: Connection, sweep_id: str, planned: Expansion) -> Extension:
    """Add what is not there of the planned points; a sweep that has ended is taken up again."""
    key = lock_sweep(connection, sweep_id)
    row = connection.execute(select(sweep).where(sweep.c.id == key)).one()
    if row.intent == Intent.CANCELLED:
        raise Conflict(f"sweep {sweep_id!r} is cancelled; `retry` brings it back")
    added = add_points(connection, row, planned)
    if not added.points:
        return _extension(sweep_id, added)
    reopen(connection, key, {p.variant for p in added.points})
    draft = Draft(sweeps=[key], kind=EventKind.EXTENDED, message=_told(added), data=_data(added))
    write_events(connection, [draft])
    return _extension(sweep_id, added)


def reopen(connection: Connection, key: int, positions: Collection[int] | None = None) -> None:
    """A sweep has work again: it is in the list, and rounds look anew at all or some curves."""
    spec = connection.execute(
        update(sweep).where(sweep.c.id == key).values(archived_at=None).returning(sweep.c.spec)
    ).scalar_one()
    if has_rounds(spec):
        curves = update(variant).where(variant.c.sweep_id == key)
        if positions is not None:
            curves = curves.where(variant.c.position.in_(positions))
        connection.execute(curves.values(rounds_open=True))


@dataclass(frozen=True, kw_only=True)
class Added:
    """Points that were added, and that were there; trials that they need, and new ones of these."""

    points: tuple[PlannedPoint, ...]
    there: int
    trials: int
    new: int


def add_points(
    connection: Connection, row: Any, planned: Expansion, number: int | None = None
) -> Added:
    """Add to a locked sweep (its row) those of the points that it lacks, with their trials."""
    variant_ids = connection.scalars(
        select(variant.c.id).where(variant.c.sweep_id == row.id).order_by(variant.c.position)
    ).all()
    known = _known(connection, row.id)
    missing = [p for p in planned.points if (variant_ids[p.variant], p.value, p.seed) not in known]
    salt = f":{row.public_id}" if row.spec.get("fresh") else ""
    needed = {p.fingerprint + salt for p in missing}
    trials = [t for t in wanted_trials(planned, salt) if t.fingerprint in needed]
    found = live_trials(connection, trials)
    insert_points(connection, row.id, variant_ids, missing, found.ids, salt, number)
    connection.execute(
        update(sweep)
        .where(sweep.c.id == row.id)
        .values(num_points=sweep.c.num_points + len(missing))
    )
    refresh_demand(connection, [row.id])
    there = len(planned.points) - len(missing)
    return Added(points=tuple(missing), there=there, trials=len(trials), new=found.new)


def _known(connection: Connection, key: int) -> set[tuple[int, float, int]]:
    rows = connection.execute(
        select(point.c.variant_id, point.c.value, point.c.seed).where(point.c.sweep_id == key)
    )
    return {(row.variant_id, row.value, row.seed) for row in rows}


def _extension(sweep_id: str, added: Added) -> Extension:
    return Extension(
        sweep_id=sweep_id,
        points=len(added.points),
        there=added.there,
        total=added.trials,
        new=added.new,
        shared=added.trials - added.new,
    )


def _told(added: Added) -> str:
    values = sorted({p.value for p in added.points})
    seeds = sorted({p.seed for p in added.points})
    number = len(added.points)
    points = "1 point is" if number == 1 else f"{number} points are"
    there = f"; {added.there} of those asked for were there already" if added.there else ""
    return f"{points} added by request, at {_listed(values)}, seeds {_listed(seeds)}{there}"


def _listed(numbers: Sequence[float]) -> str:
    shown = ", ".join(written(number) for number in numbers[:8])
    return shown if len(numbers) <= 8 else f"{shown} and {len(numbers) - 8} more"


def _data(added: Added) -> dict[str, Any]:
    return {
        "values": sorted({p.value for p in added.points}),
        "seeds": sorted({p.seed for p in added.points}),
        "variants": sorted({p.variant for p in added.points}),
        "points": len(added.points),
        "there": added.there,
    }
