"""Storing a sweep that was trained elsewhere: all of it in one transaction, or nothing."""

from datetime import UTC, datetime
from secrets import token_hex

from sqlalchemy import Connection, insert, select

from sweeper.errors import Conflict
from sweeper.imports.plan import Imported
from sweeper.storage import idempotency
from sweeper.storage.events import Draft, write_events
from sweeper.storage.records import EventKind, IdempotentRequest, Submission
from sweeper.storage.tables import point, sweep, trial
from sweeper.storage.variants import insert_variants
from sweeper.trials import Intent, TrialState

STACK_KEY = "imported"


def store_imported(
    connection: Connection, new: Imported, request: IdempotentRequest | None
) -> Submission:
    """Insert the sweep with its finished trials, whose fingerprints nobody else can have."""
    if request is not None:
        before = idempotency.begin(connection, request)
        if before is not None:
            return before
    public_id = token_hex(8)
    key = _insert_sweep(connection, new, public_id)
    variant_ids = insert_variants(connection, key, new.variants)
    trial_ids = _insert_trials(connection, new)
    points = [
        {
            "sweep_id": key,
            "variant_id": variant_ids[p.variant],
            "trial_id": trial_ids[p.trial],
            "value": p.value,
            "seed": p.seed,
            "origin": p.origin,
        }
        for p in new.points
    ]
    connection.execute(insert(point), points)
    number = len(new.trials)
    submission = Submission(sweep_id=public_id, total=number, new=number, shared=0)
    if request is not None:
        idempotency.finish(connection, request, submission)
    message = f"{len(points)} results from {new.spec['imported_from']}"
    write_events(
        connection, [Draft(sweeps=[key], kind=EventKind.IMPORTED, message=message, data={})]
    )
    return submission


def refuse_imported(connection: Connection, key: int) -> None:
    """Raise `Conflict` if the sweep is an imported one: nothing of it can be trained here."""
    spec = connection.scalar(select(sweep.c.spec).where(sweep.c.id == key))
    if spec and "imported_from" in spec:
        raise Conflict(
            f"the sweep was imported from {spec['imported_from']}: it is done, and nothing of it "
            "can be trained, paused or cancelled here"
        )


def _insert_sweep(connection: Connection, new: Imported, public_id: str) -> int:
    key: int = connection.execute(
        insert(sweep)
        .values(
            public_id=public_id,
            name=new.name,
            spec=new.spec,
            parameter=new.parameter,
            axis_scale=new.axis_scale,
            priority=0,
            intent=Intent.ACTIVE,
            num_points=len(new.points),
            created_at=datetime.now(UTC),
        )
        .returning(sweep.c.id)
    ).scalar_one()
    return key


def _insert_trials(connection: Connection, new: Imported) -> list[int]:
    created_at = datetime.now(UTC)
    rows = [
        {
            "public_id": token_hex(8),
            "fingerprint": f"imported:{token_hex(16)}",
            "stack_key": STACK_KEY,
            "config": t.config,
            "state": TrialState.DONE,
            "provenance": t.provenance,
            "created_at": created_at,
            **t.measured,
        }
        for t in new.trials
    ]
    statement = insert(trial).returning(trial.c.id, sort_by_parameter_order=True)
    return list(connection.scalars(statement, rows))
