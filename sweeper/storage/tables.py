"""The tables. Singular names, integer keys; sweeps and trials also have an opaque public id.

A *point* is what a sweep declares, a *trial* is trained once for all points that share it, a
*stack* is the list of trials that one worker trains together, an *attempt* one run of a stack.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from sweeper.storage.column_types import CleanText, JsonText, Key, UtcTime

VERSION_TABLE = "sweeper_alembic_version"

DEAD = "('failed', 'cancelled')"
FREE = "state = 'pending' AND stack_id IS NULL AND demand IS NOT NULL"
"""Waits for a stack. Written out, since SQLite uses a partial index for literal conditions only."""
OPEN = "rounds_open"
"""Of a variant whose rounds have not come to their end."""

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

sweep = Table(
    "sweep",
    metadata,
    Column("id", Key, primary_key=True),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("spec", JsonText, nullable=False),
    Column("parameter", String(64), nullable=False),
    Column("axis_scale", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("intent", String(16), nullable=False),
    Column("num_points", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("note", Text),
    Column("tags", JsonText, nullable=False, server_default="[]"),
    Column("archived_at", UtcTime),
)

variant = Table(
    "variant",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sweep_id", ForeignKey("sweep.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("optimizer", String(64), nullable=False),
    Column("scale", String(32), nullable=False),
    Column("architecture", String(32), nullable=False),
    Column("overrides", JsonText, nullable=False),
    Column("rounds_open", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("sweep_id", "position"),
    Index("variant_open", "id", postgresql_where=text(OPEN), sqlite_where=text(OPEN)),
)
"""`rounds_open`: bracketing or refinement may still add points, whether or not trials are live."""

stack = Table(
    "stack",
    metadata,
    Column("id", Key, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("k", Integer, nullable=False),
    Column("threads", Integer, nullable=False),
    Column("members", JsonText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("started", Boolean, nullable=False),
    Column("step", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("checkpoints", JsonText, nullable=False),
    Column("checkpoint_step", Integer, nullable=False),
    Column("parent_id", ForeignKey("stack.id"), index=True),
    Column("created_at", UtcTime, nullable=False),
    Index("stack_state_id", "state", "id"),
)
"""`members`: trial ids, index = slot, never edited. `checkpoints`: the newest two, newest first.
`checkpoint_step`: the furthest ever reached. `started`: the present attempt runs on a worker."""

trial = Table(
    "trial",
    metadata,
    Column("id", Key, primary_key=True),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("fingerprint", String(96), nullable=False, index=True),
    Column("stack_key", String(32), nullable=False),
    Column("config", JsonText, nullable=False),
    Column("state", String(16), nullable=False),
    Column("demand", Integer),
    Column("stack_id", ForeignKey("stack.id"), index=True),
    Column("replaces", ForeignKey("trial.id"), index=True),
    Column("outcome", String(16)),
    Column("final_loss", Double),
    Column("best_loss", Double),
    Column("train_loss", Double),
    Column("initial_loss", Double),
    Column("last_finite_loss", Double),
    Column("diverged_at_step", Integer),
    Column("busy_s", Double),
    Column("provenance", JsonText),
    Column("failure", String(32)),
    Column("failure_message", CleanText),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Index(
        "trial_live",
        "fingerprint",
        unique=True,
        postgresql_where=text(f"state NOT IN {DEAD}"),
        sqlite_where=text(f"state NOT IN {DEAD}"),
    ),
    Index(
        "trial_free",
        "demand",
        "id",
        postgresql_where=text(FREE),
        sqlite_where=text(FREE),
    ),
)

point = Table(
    "point",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sweep_id", ForeignKey("sweep.id"), nullable=False, index=True),
    Column("variant_id", ForeignKey("variant.id"), nullable=False),
    Column("value", Double, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("trial_id", ForeignKey("trial.id"), nullable=False, index=True),
    Column("round", Integer),
    UniqueConstraint("variant_id", "value", "seed"),
)
"""`round`: the round of its curve that added it, counted from 1; none for what users asked for."""

attempt = Table(
    "attempt",
    metadata,
    Column("stack_id", ForeignKey("stack.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("tune_trial_id", Text, nullable=False),
    Column("host", CleanText, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("end_reason", CleanText),
    Column("failure", String(32)),
    Column("failure_message", CleanText),
    Column("next_step", Text),
    Column("traceback", CleanText),
    Column("log_tail", CleanText),
    Column("charged_trial_id", ForeignKey("trial.id"), index=True),
    PrimaryKeyConstraint("stack_id", "attempt"),
)

metric = Table(
    "metric",
    metadata,
    Column("trial_id", ForeignKey("trial.id"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("value", Double),
    Column("kind", String(8), nullable=False),
    Column("detail", Text),
    PrimaryKeyConstraint("trial_id", "key", "step"),
    sqlite_with_rowid=False,
)

event = Table(
    "event",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sweep_id", ForeignKey("sweep.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("message", CleanText, nullable=False),
    Column("data", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("event_sweep_id_id", "sweep_id", "id"),
    sqlite_autoincrement=True,
)

dispatcher = Table(
    "dispatcher",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("beat", BigInteger, nullable=False),
    Column("owner", JsonText, nullable=False),
    Column("machine", JsonText),
)
"""Always one row; epoch 0 means that nobody has ever acted. `machine`: what it trains on."""

throughput = Table(
    "throughput",
    metadata,
    Column("device", String(128), nullable=False),
    Column("shape", String(32), nullable=False),
    Column("size", Integer, nullable=False),
    Column("threads", Integer, nullable=False),
    Column("step_s", Double),
    Column("sequence_s", Double, nullable=False),
    Column("micro_batch", Integer),
    Column("peak_bytes", BigInteger),
    Column("updated_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("device", "shape", "size"),
)
"""What a stack of `size` took, with equal `shape` (`sweeper.planning.speeds.shape_key`); without
`step_s` it did not fit into the device's memory."""

api_key = Table(
    "api_key",
    metadata,
    Column("id", Key, primary_key=True),
    Column("key_id", String(32), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("scopes", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("revoked_at", UtcTime),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("caller", String(64), nullable=False),
    Column("key", String(256), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("response", JsonText),
    Column("created_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("caller", "key"),
)
