"""Storing a sweep: its row, variants and points, and the trials that do not exist yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection, insert

from sweeper.storage import idempotency
from sweeper.storage.demand import refresh_demand
from sweeper.storage.events import Draft, write_events
from sweeper.storage.extending import has_rounds, insert_points, wanted_trials
from sweeper.storage.identity import live_trials
from sweeper.storage.records import EventKind, IdempotentRequest, Submission
from sweeper.storage.tables import sweep
from sweeper.storage.variants import insert_variants
from sweeper.trials import Expansion, Intent


@dataclass(frozen=True, kw_only=True)
class NewSweep:
    """A sweep that is to be stored."""

    name: str
    spec: Mapping[str, Any]
    parameter: str
    axis_scale: str
    priority: int
    expansion: Expansion
    fresh: bool


def submit(connection: Connection, new: NewSweep, request: IdempotentRequest | None) -> Submission:
    """Store a sweep; a repeated request gives what it gave before."""
    if request is not None:
        before = idempotency.begin(connection, request)
        if before is not None:
            return before
    public_id = token_hex(8)
    key = _insert_sweep(connection, new, public_id)
    salt = f":{public_id}" if new.fresh else ""
    trials = wanted_trials(new.expansion, salt)
    found = live_trials(connection, trials)
    variant_ids = insert_variants(
        connection, key, new.expansion.variants, rounds_open=has_rounds(new.spec)
    )
    insert_points(connection, key, variant_ids, new.expansion.points, found.ids, salt)
    refresh_demand(connection, [key])
    submission = Submission(
        sweep_id=public_id, total=len(trials), new=found.new, shared=len(trials) - found.new
    )
    if request is not None:
        idempotency.finish(connection, request, submission)
    message = f"{submission.total} trials, {submission.shared} of them there already"
    draft = Draft(sweeps=[key], kind=EventKind.SUBMITTED, message=message, data={})
    write_events(connection, [draft])
    return submission


def _insert_sweep(connection: Connection, new: NewSweep, public_id: str) -> int:
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
