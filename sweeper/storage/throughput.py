"""What stacks took and needed, by device, shape and size; and what the dispatcher trains on."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update

from sweeper.errors import Fenced
from sweeper.planning.machine import Machine
from sweeper.planning.speeds import Measurement
from sweeper.storage.idempotency import upsert
from sweeper.storage.tables import dispatcher, throughput

KEY = ("device", "shape", "size")
PARTS = 500
"""Shapes asked for at once; a statement has a limited number of parameters."""


def note(connection: Connection, measurement: Measurement) -> None:
    """Remember a measurement; the newest of a device, shape and size counts."""
    values = asdict(measurement) | {"updated_at": datetime.now(UTC)}
    changes = {name: value for name, value in values.items() if name not in KEY}
    connection.execute(
        upsert(connection)(throughput)
        .values(values)
        .on_conflict_do_update(index_elements=list(KEY), set_=changes)
    )


def known(connection: Connection, shapes: Iterable[str]) -> tuple[Measurement, ...]:
    """All that is remembered of the shapes, on any device; the oldest first."""
    asked, found = sorted(shapes), list[Any]()
    for start in range(0, len(asked), PARTS):
        found += connection.execute(
            select(throughput)
            .where(throughput.c.shape.in_(asked[start : start + PARTS]))
            .order_by(throughput.c.updated_at)
        ).all()
    names = Measurement.__dataclass_fields__
    return tuple(Measurement(**{name: getattr(row, name) for name in names}) for row in found)


def note_machine(connection: Connection, epoch: int, machine: Machine) -> None:
    """Tell what the acting dispatcher trains on."""
    changed = connection.execute(
        update(dispatcher).where(dispatcher.c.epoch == epoch).values(machine=_plain(machine))
    )
    if changed.rowcount == 0:
        raise Fenced


def machine(connection: Connection) -> Machine | None:
    """What the dispatcher trains on that acted last; None if none has told."""
    found = connection.scalar(select(dispatcher.c.machine))
    return None if found is None else Machine(**found)


def _plain(given: Machine) -> dict[str, object]:
    return {name: value for name, value in asdict(given).items() if name != "running"}
