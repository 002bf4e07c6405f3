"""Sweeps: submitting, reading and steering them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from sweeper.imports.plan import Imported
from sweeper.storage import deleting, editing, extending, listing, steering, submitting, usage
from sweeper.storage.engine import Database
from sweeper.storage.identity import live_fingerprints
from sweeper.storage.imports import store_imported
from sweeper.storage.keys import sweep_key
from sweeper.storage.records import (
    Event,
    EventKind,
    IdempotentRequest,
    Page,
    Submission,
    SweepRecord,
)
from sweeper.storage.tables import event
from sweeper.trials import Expansion, Intent, SweepState


class Sweeps:
    """Sweeps by their opaque id; an unknown one is `NotFound`. Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(  # noqa: PLR0913 - the fields of a sweep, by keyword
        self,
        *,
        name: str,
        spec: Mapping[str, Any],
        parameter: str,
        axis_scale: str,
        priority: int,
        expansion: Expansion,
        fresh: bool = False,
        request: IdempotentRequest | None = None,
    ) -> Submission:
        """Store a sweep, its points, and the trials that do not exist yet, all or nothing.

        A repeated request gives the sweep it gave before; `KeyReused` if its body differs. With
        `fresh` nothing is shared with other sweeps.
        """
        new = submitting.NewSweep(
            name=name,
            spec=spec,
            parameter=parameter,
            axis_scale=axis_scale,
            priority=priority,
            expansion=expansion,
            fresh=fresh,
        )
        return self._database.write(lambda c: submitting.submit(c, new, request))

    def take_in(self, new: Imported, request: IdempotentRequest | None = None) -> Submission:
        """Store a sweep that was trained elsewhere, all or nothing; repeated as `submit` is."""
        return self._database.write(lambda c: store_imported(c, new, request))

    def existing(self, fingerprints: Sequence[str]) -> set[str]:
        """Those of the fingerprints that a trial has which is neither failed nor cancelled."""
        return self._database.read(lambda connection: live_fingerprints(connection, fingerprints))

    def get(self, sweep_id: str) -> SweepRecord:
        """The sweep with its counts."""
        return self._database.read(
            lambda connection: listing.record(connection, sweep_key(connection, sweep_id))
        )

    def list(
        self,
        limit: int = 50,
        cursor: str | None = None,
        state: SweepState | None = None,
        search: str = "",
        tag: str | None = None,
        *,
        archived: bool = False,
    ) -> Page[SweepRecord]:
        """Sweeps, newest first; `search` is part of a name. A fixed number of queries.

        Those that are `archived` are listed instead of the others.
        """
        query = listing.Query(limit, cursor, state, search, tag, archived)
        return self._database.read(lambda connection: listing.page(connection, query))

    def cancel(self, sweep_id: str) -> SweepRecord:
        """Cancel: what no other sweep wants never runs again, from this very moment."""
        return self._change(sweep_id, Intent.CANCELLED)

    def pause(self, sweep_id: str) -> SweepRecord:
        """Pause: what no other sweep wants stops at its next checkpoint. No effect if cancelled."""
        return self._change(sweep_id, Intent.PAUSED)

    def resume(self, sweep_id: str) -> SweepRecord:
        """Go on with a paused sweep. No effect if cancelled: `retry` brings that back."""
        return self._change(sweep_id, Intent.ACTIVE)

    def _change(self, sweep_id: str, intent: Intent) -> SweepRecord:
        return self._database.write(
            lambda c: listing.record(c, steering.set_intent(c, sweep_id, intent))
        )

    def retry(self, sweep_id: str) -> int:
        """Give every failed or cancelled point a trial that may run; returns how many trials.

        A cancelled or paused sweep becomes active.
        """
        return self._database.write(lambda c: steering.retry(c, sweep_id))

    def extend(self, sweep_id: str, planned: Expansion) -> extending.Extension:
        """Add those of the planned points that the sweep lacks; `Conflict` if it is cancelled.

        `planned` has the variants of the sweep, in their order. A done sweep has work again.
        """
        return self._database.write(lambda c: extending.extend(c, sweep_id, planned))

    def edit(self, sweep_id: str, wanted: editing.Edit) -> SweepRecord:
        """Change what people say of a sweep; the demand for its trials follows its priority.

        `Conflict` if it is at work and would be archived: what trains stays in the list.
        """
        return self._database.write(lambda c: listing.record(c, editing.edit(c, sweep_id, wanted)))

    def delete(self, sweep_id: str) -> deleting.Deletion:
        """Delete a sweep that has ended, with the trials that nothing else needs.

        `Conflict` if it has not ended. A sweep that is not there is no error, and says so.
        """
        return self._database.write(lambda c: deleting.delete_sweep(c, sweep_id))

    def usage(self) -> usage.DatabaseUse:
        """What the database holds, in all and of every sweep."""
        return self._database.read(usage.database_use)

    def tags(self) -> tuple[str, ...]:
        """Every tag that a sweep has, in order."""
        return self._database.read(listing.all_tags)

    def events(self, sweep_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events of the sweep with a higher id than `after`, in order."""
        return self._database.read(lambda connection: _events(connection, sweep_id, after, limit))


def _events(connection: Connection, sweep_id: str, after: int, limit: int) -> list[Event]:
    key = sweep_key(connection, sweep_id)
    rows = connection.execute(
        select(event)
        .where(event.c.sweep_id == key, event.c.id > after)
        .order_by(event.c.id)
        .limit(limit)
    )
    return [
        Event(
            id=row.id,
            kind=EventKind(row.kind),
            message=row.message,
            data=row.data,
            created_at=row.created_at,
        )
        for row in rows
    ]
