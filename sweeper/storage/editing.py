"""What people say of a sweep: name, note, tags, priority, and whether the list shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, update

from sweeper.errors import Conflict
from sweeper.storage import listing
from sweeper.storage.demand import refresh_demand
from sweeper.storage.events import Draft, write_events
from sweeper.storage.keys import lock_sweep
from sweeper.storage.records import EventKind, SweepRecord
from sweeper.storage.tables import sweep
from sweeper.trials import SweepState

_AT_WORK = (SweepState.QUEUED, SweepState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What to change of a sweep; None leaves it as it is."""

    name: str | None = None
    note: str | None = None
    tags: tuple[str, ...] | None = None
    priority: int | None = None
    archived: bool | None = None

    def changes(self, sweep: SweepRecord) -> dict[str, Any]:
        """The new values of what differs from the sweep."""
        wanted = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: value
            for name, value in wanted.items()
            if value is not None and value != getattr(sweep, name)
        }


def edit(connection: Connection, sweep_id: str, wanted: Edit) -> int:
    """Change a sweep; returns its key. `Conflict` if it is at work and would be archived."""
    key = lock_sweep(connection, sweep_id)
    before = listing.record(connection, key)
    changes = wanted.changes(before)
    if not changes:
        return key
    if changes.get("archived") and before.state in _AT_WORK:
        raise Conflict(
            f"sweep {sweep_id!r} is {before.state}: what trains stays in the list; "
            f"pause or cancel it first"
        )
    connection.execute(update(sweep).where(sweep.c.id == key).values(_columns(changes)))
    if "priority" in changes:
        refresh_demand(connection, [key])
    draft = Draft(
        sweeps=[key],
        kind=EventKind.EDITED,
        message="; ".join(_told(name, getattr(before, name), new) for name, new in changes.items()),
        data=_plain(changes),
    )
    write_events(connection, [draft])
    return key


def _columns(changes: Mapping[str, Any]) -> dict[str, Any]:
    columns = _plain(changes)
    if "archived" in columns:
        columns["archived_at"] = datetime.now(UTC) if columns.pop("archived") else None
    return columns


def _plain(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in changes.items()}


def _told(name: str, old: Any, new: Any) -> str:
    if name == "archived":
        return "archived" if new else "back in the list"
    if name == "note":
        return "the note is changed" if new else "the note is gone"
    if name == "tags":
        return f"tags: {', '.join(new) or 'none'}"
    return f"{name}: {new}, before {old}"
