"""A request that is sent twice with one key is carried out once."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sweeper.errors import KeyReused
from sweeper.storage.records import IdempotentRequest, Submission
from sweeper.storage.tables import idempotency_key


def begin(connection: Connection, request: IdempotentRequest) -> Submission | None:
    """Take the key, or give what it led to before; waits for an equal request in flight."""
    taken = connection.execute(
        upsert(connection)(idempotency_key)
        .values(
            caller=request.caller,
            key=request.key,
            body_sha256=request.body_sha256,
            created_at=datetime.now(UTC),
        )
        .on_conflict_do_nothing()
        .returning(idempotency_key.c.key)
    ).first()
    if taken is not None:
        return None
    row = connection.execute(select(idempotency_key).where(_this(request))).one()
    if row.body_sha256 != request.body_sha256:
        raise KeyReused
    return Submission(**row.response | {"replayed": True})


def finish(connection: Connection, request: IdempotentRequest, submission: Submission) -> None:
    """Keep the answer, in the transaction that took the key."""
    connection.execute(
        update(idempotency_key).where(_this(request)).values(response=asdict(submission))
    )


def upsert(connection: Connection) -> Any:
    """The `insert` of this database that knows ON CONFLICT."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _this(request: IdempotentRequest) -> ColumnElement[bool]:
    return and_(idempotency_key.c.caller == request.caller, idempotency_key.c.key == request.key)
