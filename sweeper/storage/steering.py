"""What a user wants of a sweep: cancel, pause, resume, retry."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from sweeper.storage.demand import LIVE, held_by_live_sweep, lock_trials, refresh_demand
from sweeper.storage.events import Draft, write_events
from sweeper.storage.extending import reopen
from sweeper.storage.identity import revive
from sweeper.storage.imports import refuse_imported
from sweeper.storage.keys import lock_sweep
from sweeper.storage.records import EventKind
from sweeper.storage.tables import point, sweep, trial
from sweeper.storage.unused import close_dead_stacks
from sweeper.trials import Intent, TrialState

_KINDS: Mapping[Intent, EventKind] = {
    Intent.CANCELLED: EventKind.CANCELLED,
    Intent.PAUSED: EventKind.PAUSED,
    Intent.ACTIVE: EventKind.RESUMED,
}


def set_intent(connection: Connection, sweep_id: str, intent: Intent) -> int:
    """Change the intent of a sweep, but for a cancelled one; returns its key."""
    key = lock_sweep(connection, sweep_id)
    refuse_imported(connection, key)
    changed = connection.execute(
        update(sweep)
        .where(sweep.c.id == key, sweep.c.intent.not_in([intent, Intent.CANCELLED]))
        .values(intent=intent)
    ).rowcount
    if changed:
        _follow(connection, key, intent)
    return key


def _follow(connection: Connection, key: int, intent: Intent) -> None:
    """What a change of intent brings along."""
    if intent is Intent.CANCELLED:
        _cancel_trials(connection, key)
    if intent is Intent.ACTIVE:
        # What trains is in the list.
        connection.execute(update(sweep).where(sweep.c.id == key).values(archived_at=None))
    refresh_demand(connection, [key])
    kind = _KINDS[intent]
    draft = Draft(sweeps=[key], kind=kind, message=f"{kind} by request", data={})
    write_events(connection, [draft])


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
    close_dead_stacks(connection, key)


def retry(connection: Connection, sweep_id: str) -> int:
    """Give every failed or cancelled point a trial that may run; returns how many trials."""
    key = lock_sweep(connection, sweep_id)
    refuse_imported(connection, key)
    retried = revive(connection, key)
    connection.execute(update(sweep).where(sweep.c.id == key).values(intent=Intent.ACTIVE))
    reopen(connection, key)
    refresh_demand(connection, [key])
    message = f"{retried} trials are tried again"
    draft = Draft(sweeps=[key], kind=EventKind.RETRIED, message=message, data={})
    write_events(connection, [draft])
    return retried
