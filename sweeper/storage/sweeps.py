"""Sweeps: submitting, reading and steering them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection, insert, select, update

from sweeper.errors import NotFound
from sweeper.storage import idempotency, listing
from sweeper.storage.demand import LIVE, held_by_live_sweep, lock_trials, refresh_demand
from sweeper.storage.engine import Database
from sweeper.storage.events import Draft, write_events
from sweeper.storage.identity import NewTrial, live_fingerprints, live_trials, revive
from sweeper.storage.records import (
    Event,
    EventKind,
    IdempotentRequest,
    Page,
    Submission,
    SweepRecord,
)
from sweeper.storage.tables import event, point, sweep, trial, variant
from sweeper.trials import Expansion, Intent, SweepState, TrialState
from trainers.config import to_dict


@dataclass(frozen=True, kw_only=True)
class _NewSweep:
    name: str
    spec: Mapping[str, Any]
    parameter: str
    axis_scale: str
    priority: int
    expansion: Expansion
    fresh: bool


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
        new = _NewSweep(
            name=name,
            spec=spec,
            parameter=parameter,
            axis_scale=axis_scale,
            priority=priority,
            expansion=expansion,
            fresh=fresh,
        )
        return self._database.write(lambda connection: _submit(connection, new, request))

    def existing(self, fingerprints: Sequence[str]) -> set[str]:
        """Those of the fingerprints that a trial has which is neither failed nor cancelled."""
        return self._database.read(lambda connection: live_fingerprints(connection, fingerprints))

    def get(self, sweep_id: str) -> SweepRecord:
        """The sweep with its counts."""
        return self._database.read(
            lambda connection: listing.record(connection, _key(connection, sweep_id))
        )

    def list(
        self,
        limit: int = 50,
        cursor: str | None = None,
        state: SweepState | None = None,
        search: str = "",
    ) -> Page[SweepRecord]:
        """Sweeps, newest first; `search` is part of a name. A fixed number of queries."""
        query = listing.Query(limit=limit, cursor=cursor, state=state, search=search)
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
        def work(connection: Connection) -> SweepRecord:
            key = _lock(connection, sweep_id)
            _set_intent(connection, key, intent)
            return listing.record(connection, key)

        return self._database.write(work)

    def retry(self, sweep_id: str) -> int:
        """Give every failed or cancelled point a trial that may run; returns how many trials.

        A cancelled or paused sweep becomes active.
        """
        return self._database.write(lambda connection: _retry(connection, sweep_id))

    def events(self, sweep_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events of the sweep with a higher id than `after`, in order."""
        return self._database.read(lambda connection: _events(connection, sweep_id, after, limit))


def _submit(
    connection: Connection, new: _NewSweep, request: IdempotentRequest | None
) -> Submission:
    if request is not None:
        before = idempotency.begin(connection, request)
        if before is not None:
            return before
    public_id = token_hex(8)
    key = _insert_sweep(connection, new, public_id)
    salt = f":{public_id}" if new.fresh else ""
    trials = [
        NewTrial(t.fingerprint + salt, t.stack_key, to_dict(t.config)) for t in new.expansion.trials
    ]
    found = live_trials(connection, trials)
    _insert_points(connection, key, new.expansion, found.ids, salt)
    refresh_demand(connection, [key])
    submission = Submission(
        sweep_id=public_id, total=len(trials), new=found.new, shared=len(trials) - found.new
    )
    if request is not None:
        idempotency.finish(connection, request, submission)
    message = f"{submission.total} trials, {submission.shared} of them there already"
    write_events(connection, [_draft(key, EventKind.SUBMITTED, message)])
    return submission


def _insert_sweep(connection: Connection, new: _NewSweep, public_id: str) -> int:
    key: int = connection.execute(
        insert(sweep)
        .values(
            public_id=public_id,
            name=new.name,
            spec=new.spec,
            parameter=new.parameter,
            axis_scale=new.axis_scale,
            priority=new.priority,
            intent=Intent.ACTIVE,
            num_points=len(new.expansion.points),
            created_at=datetime.now(UTC),
        )
        .returning(sweep.c.id)
    ).scalar_one()
    return key


def _insert_points(
    connection: Connection, key: int, expansion: Expansion, ids: Mapping[str, int], salt: str
) -> None:
    if not expansion.points:
        return
    variants = [
        {
            "sweep_id": key,
            "position": position,
            "label": v.label,
            "optimizer": v.optimizer,
            "scale": v.scale,
            "architecture": v.architecture,
            "overrides": v.overrides,
        }
        for position, v in enumerate(expansion.variants)
    ]
    statement = insert(variant).returning(variant.c.id, sort_by_parameter_order=True)
    variant_ids = connection.scalars(statement, variants).all()
    points = [
        {
            "sweep_id": key,
            "variant_id": variant_ids[p.variant],
            "value": p.value,
            "seed": p.seed,
            "origin": p.origin,
            "trial_id": ids[p.fingerprint + salt],
        }
        for p in expansion.points
    ]
    connection.execute(insert(point), points)


def _set_intent(connection: Connection, key: int, intent: Intent) -> None:
    changed = connection.execute(
        update(sweep)
        .where(sweep.c.id == key, sweep.c.intent.not_in([intent, Intent.CANCELLED]))
        .values(intent=intent)
    ).rowcount
    if not changed:
        return
    if intent is Intent.CANCELLED:
        _cancel_trials(connection, key)
    refresh_demand(connection, [key])
    kinds = {
        Intent.CANCELLED: EventKind.CANCELLED,
        Intent.PAUSED: EventKind.PAUSED,
        Intent.ACTIVE: EventKind.RESUMED,
    }
    write_events(connection, [_draft(key, kinds[intent], f"{kinds[intent]} by request")])


def _cancel_trials(connection: Connection, key: int) -> None:
    lock_trials(connection, [key])
    connection.execute(
        update(trial)
        .where(
            trial.c.id.in_(select(point.c.trial_id).where(point.c.sweep_id == key)),
            trial.c.state.in_(LIVE),
            ~held_by_live_sweep(),
        )
        .values(state=TrialState.CANCELLED, finished_at=datetime.now(UTC))
    )


def _retry(connection: Connection, sweep_id: str) -> int:
    key = _lock(connection, sweep_id)
    retried = revive(connection, key)
    connection.execute(update(sweep).where(sweep.c.id == key).values(intent=Intent.ACTIVE))
    refresh_demand(connection, [key])
    draft = _draft(key, EventKind.RETRIED, f"{retried} trials are tried again")
    write_events(connection, [draft])
    return retried


def _events(connection: Connection, sweep_id: str, after: int, limit: int) -> list[Event]:
    key = _key(connection, sweep_id)
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


def _draft(key: int, kind: EventKind, message: str) -> Draft:
    return Draft(sweeps=[key], kind=kind, message=message, data={})


def _key(connection: Connection, sweep_id: str) -> int:
    key = connection.scalar(select(sweep.c.id).where(sweep.c.public_id == sweep_id))
    if key is None:
        raise NotFound(f"there is no sweep {sweep_id!r}")
    assert isinstance(key, int)
    return key


def _lock(connection: Connection, sweep_id: str) -> int:
    key = _key(connection, sweep_id)
    connection.execute(
        select(sweep.c.id).where(sweep.c.id == key).with_for_update(key_share=True)
    ).all()
    return key
