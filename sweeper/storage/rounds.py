"""Rounds of sweeps that think: which curves wait for one, and storing what was decided.

A curve waits for a round when its sweep asks for rounds and all of its points have ended. What a
round decides is stored in one transaction, and only if the curve is as it was when it was read.
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, text, update

from sweeper.digits import written
from sweeper.storage.demand import LIVE
from sweeper.storage.engine import Database
from sweeper.storage.events import Draft, write_events
from sweeper.storage.extending import Added, add_points
from sweeper.storage.ownership import fence
from sweeper.storage.records import EventKind
from sweeper.storage.tables import OPEN, point, sweep, trial, variant
from sweeper.trials import Expansion, Intent, Origin

_KINDS = {
    Origin.EXTEND: EventKind.EXTENDED,
    Origin.REFINE: EventKind.REFINED,
    Origin.SEARCH: EventKind.ASKED,
}


class WaitingCurve(NamedTuple):
    """A curve that waits for a round: its variant's key and position, and its sweep."""

    variant_id: int
    position: int
    label: str
    sweep_id: str


class History(NamedTuple):
    """What a curve had when it was read: the rounds so far, and what tells that it has changed."""

    last_round: int
    extended: int
    refined: int
    points: int
    trials: int
    """The sum of their keys: a retry puts other trials on the points."""


class Rounds:
    """Rounds, each one transaction. Writes raise `Fenced` when the epoch no longer acts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> list[WaitingCurve]:
        """Curves that wait for a round, the oldest first."""
        return self._database.read(_waiting)

    def history(self, curve: WaitingCurve) -> History:
        """The rounds of a curve so far."""
        return self._database.read(lambda c: _history(c, curve.variant_id))

    def add(
        self, epoch: int, curve: WaitingCurve, seen: History, planned: Expansion, reason: str
    ) -> bool:
        """Add a round's points; False if the curve is not as it was `seen` any more."""
        return self._database.write(lambda c: _add(c, epoch, curve, seen, planned, reason))

    def settle(self, epoch: int, curve: WaitingCurve, seen: History, reason: str) -> bool:
        """End the rounds of a curve; False if it is not as it was `seen` any more."""
        return self._database.write(lambda c: _settle(c, epoch, curve, seen, reason))


def _waiting(connection: Connection) -> list[WaitingCurve]:
    rows = connection.execute(
        select(variant.c.id, variant.c.position, variant.c.label, sweep.c.public_id)
        .join(sweep, sweep.c.id == variant.c.sweep_id)
        .where(text(OPEN), sweep.c.intent == Intent.ACTIVE, ~_is_live())
        .order_by(variant.c.id)
    )
    return [WaitingCurve(*row) for row in rows]


def _is_live() -> ColumnElement[bool]:
    found = (
        select(point.c.id)
        .join(trial, trial.c.id == point.c.trial_id)
        .where(point.c.variant_id == variant.c.id, trial.c.state.in_(LIVE))
    )
    return found.correlate(variant).exists()


def _history(connection: Connection, variant_id: int) -> History:
    mine = point.c.variant_id == variant_id
    rows = connection.execute(
        select(point.c.origin, func.count(point.c.value.distinct()), func.max(point.c.round))
        .where(mine, point.c.round.is_not(None))
        .group_by(point.c.origin)
    ).all()
    values = {Origin(origin): count for origin, count, _ in rows}
    points, trials = connection.execute(
        select(func.count(), func.coalesce(func.sum(point.c.trial_id), 0)).where(mine)
    ).one()
    return History(
        last_round=max((last for _, _, last in rows), default=0),
        extended=values.get(Origin.EXTEND, 0),
        refined=values.get(Origin.REFINE, 0),
        points=points,
        trials=int(trials),
    )


def _held(connection: Connection, epoch: int, curve: WaitingCurve, seen: History) -> Any:
    """The row of the sweep, locked, or None if the curve does not wait as it was seen."""
    fence(connection, epoch)
    row = connection.execute(
        select(sweep)
        .where(sweep.c.public_id == curve.sweep_id, sweep.c.intent == Intent.ACTIVE)
        .with_for_update(key_share=True)
    ).first()
    waits = connection.scalar(
        select(variant.c.id).where(variant.c.id == curve.variant_id, text(OPEN), ~_is_live())
    )
    is_as_seen = waits is not None and _history(connection, curve.variant_id) == seen
    return row if is_as_seen else None


def _add(
    connection: Connection,
    epoch: int,
    curve: WaitingCurve,
    seen: History,
    planned: Expansion,
    reason: str,
) -> bool:
    row = _held(connection, epoch, curve, seen)
    if row is None:
        return False
    number = seen.last_round + 1
    added = add_points(connection, row, planned, number)
    write_events(connection, [_round_event(row.id, curve, number, added, reason)])
    return True


def _round_event(key: int, curve: WaitingCurve, number: int, added: Added, reason: str) -> Draft:
    origin = added.points[0].origin
    values = sorted({p.value for p in added.points})
    listed = ", ".join(written(value) for value in values)
    verb = "is" if len(values) == 1 else "are"
    return Draft(
        sweeps=[key],
        kind=_KINDS[origin],
        message=f"{curve.label}, round {number}: {listed} {verb} added; {reason}",
        data={
            "round": number,
            "variant": curve.position,
            "label": curve.label,
            "values": values,
            "reason": reason,
            "points": len(added.points),
            "new": added.new,
        },
    )


def _settle(
    connection: Connection, epoch: int, curve: WaitingCurve, seen: History, reason: str
) -> bool:
    row = _held(connection, epoch, curve, seen)
    if row is None:
        return False
    connection.execute(
        update(variant).where(variant.c.id == curve.variant_id).values(rounds_open=False)
    )
    draft = Draft(
        sweeps=[row.id],
        kind=EventKind.SETTLED,
        message=f"{curve.label}, after {_rounds(seen.last_round)}: {reason}",
        data={
            "rounds": seen.last_round,
            "variant": curve.position,
            "label": curve.label,
            "reason": reason,
        },
    )
    write_events(connection, [draft])
    return True


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"
