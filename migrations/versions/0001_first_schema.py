"""First schema.

The views are those of `sweeper.storage.views`. A later migration that changes them moves the
present text here first, so that this file goes on making what it made.
"""

import sqlalchemy as sa
from alembic import op

from sweeper.storage import views

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

METRIC_VIEW = """CREATE VIEW v_metric AS
SELECT t.public_id AS trial, m.key, m.step, m.value, m.kind
FROM metric m JOIN trial t ON t.id = m.trial_id"""
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")
FREE = "state = 'pending' AND stack_id IS NULL AND demand IS NOT NULL"
TABLES = [
    "point",
    "metric",
    "attempt",
    "variant",
    "trial",
    "event",
    "sweep",
    "stack",
    "idempotency_key",
    "dispatcher",
    "api_key",
]

# A trial that has ended never changes: whatever else is wrong, a result stays.
SQLITE_TRIGGER = """
CREATE TRIGGER trial_ended BEFORE UPDATE OF state, outcome, final_loss, fingerprint ON trial
WHEN OLD.state IN ('done', 'failed', 'cancelled')
BEGIN SELECT RAISE(ABORT, 'a trial that has ended never changes'); END
"""
POSTGRESQL_FUNCTION = """
CREATE FUNCTION refuse_change_of_ended_trial() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a trial that has ended never changes'; END $$
"""
POSTGRESQL_TRIGGER = """
CREATE TRIGGER trial_ended BEFORE UPDATE OF state, outcome, final_loss, fingerprint ON trial
FOR EACH ROW WHEN (OLD.state IN ('done', 'failed', 'cancelled'))
EXECUTE FUNCTION refuse_change_of_ended_trial()
"""


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("api_key_pkey")),
        sa.UniqueConstraint("key_id", name=op.f("api_key_key_id_key")),
    )
    op.create_table(
        "dispatcher",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("dispatcher_pkey")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("caller", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("idempotency_key_pkey")),
    )
    op.create_table(
        "stack",
        sa.Column("id", KEY, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.Boolean(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("checkpoints", sa.Text(), nullable=False),
        sa.Column("checkpoint_step", sa.Integer(), nullable=False),
        sa.Column("parent_id", KEY, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["stack.id"], name=op.f("stack_parent_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("stack_pkey")),
    )
    op.create_index("stack_state_id", "stack", ["state", "id"], unique=False)

    op.create_table(
        "sweep",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("parameter", sa.String(length=64), nullable=False),
        sa.Column("axis_scale", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("intent", sa.String(length=16), nullable=False),
        sa.Column("num_points", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("sweep_pkey")),
        sa.UniqueConstraint("public_id", name=op.f("sweep_public_id_key")),
    )
    op.create_table(
        "event",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sweep_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("event_sweep_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("event_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index("event_sweep_id_id", "event", ["sweep_id", "id"], unique=False)

    op.create_table(
        "trial",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", sa.String(length=96), nullable=False),
        sa.Column("stack_key", sa.String(length=32), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("demand", sa.Integer(), nullable=True),
        sa.Column("stack_id", KEY, nullable=True),
        sa.Column("replaces", KEY, nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("final_loss", sa.Double(), nullable=True),
        sa.Column("best_loss", sa.Double(), nullable=True),
        sa.Column("train_loss", sa.Double(), nullable=True),
        sa.Column("initial_loss", sa.Double(), nullable=True),
        sa.Column("last_finite_loss", sa.Double(), nullable=True),
        sa.Column("diverged_at_step", sa.Integer(), nullable=True),
        sa.Column("busy_s", sa.Double(), nullable=True),
        sa.Column("provenance", sa.Text(), nullable=True),
        sa.Column("failure", sa.String(length=32), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["replaces"], ["trial.id"], name=op.f("trial_replaces_fkey")),
        sa.ForeignKeyConstraint(["stack_id"], ["stack.id"], name=op.f("trial_stack_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("trial_pkey")),
        sa.UniqueConstraint("public_id", name=op.f("trial_public_id_key")),
    )
    op.create_index(op.f("trial_fingerprint"), "trial", ["fingerprint"], unique=False)
    op.create_index(
        "trial_live",
        "trial",
        ["fingerprint"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('failed', 'cancelled')"),
        sqlite_where=sa.text("state NOT IN ('failed', 'cancelled')"),
    )
    op.create_index(op.f("trial_stack_id"), "trial", ["stack_id"], unique=False)
    op.create_index(
        "trial_free",
        "trial",
        ["demand", "id"],
        unique=False,
        postgresql_where=sa.text(FREE),
        sqlite_where=sa.text(FREE),
    )

    op.create_table(
        "variant",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sweep_id", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("optimizer", sa.String(length=64), nullable=False),
        sa.Column("scale", sa.String(length=32), nullable=False),
        sa.Column("architecture", sa.String(length=32), nullable=False),
        sa.Column("overrides", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("variant_sweep_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("variant_pkey")),
        sa.UniqueConstraint("sweep_id", "position", name=op.f("variant_sweep_id_position_key")),
    )
    op.create_table(
        "attempt",
        sa.Column("stack_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("tune_trial_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("failure", sa.String(length=32), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("log_tail", sa.Text(), nullable=True),
        sa.Column("charged_trial_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(
            ["charged_trial_id"], ["trial.id"], name=op.f("attempt_charged_trial_id_fkey")
        ),
        sa.ForeignKeyConstraint(["stack_id"], ["stack.id"], name=op.f("attempt_stack_id_fkey")),
        sa.PrimaryKeyConstraint("stack_id", "attempt", name=op.f("attempt_pkey")),
    )
    op.create_index(op.f("attempt_charged_trial_id"), "attempt", ["charged_trial_id"], unique=False)

    op.create_table(
        "metric",
        sa.Column("trial_id", KEY, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("metric_trial_id_fkey")),
        sa.PrimaryKeyConstraint("trial_id", "key", "step", name=op.f("metric_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "point",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sweep_id", KEY, nullable=False),
        sa.Column("variant_id", KEY, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("trial_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name=op.f("point_sweep_id_fkey")),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("point_trial_id_fkey")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("point_variant_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("point_pkey")),
        sa.UniqueConstraint(
            "variant_id", "value", "seed", name=op.f("point_variant_id_value_seed_key")
        ),
    )
    op.create_index(op.f("point_sweep_id"), "point", ["sweep_id"], unique=False)
    op.create_index(op.f("point_trial_id"), "point", ["trial_id"], unique=False)

    _after_the_tables(op.get_context().dialect.name)


def _after_the_tables(dialect: str) -> None:
    op.execute("INSERT INTO dispatcher (epoch, beat, owner) VALUES (0, 0, '{}')")
    triggers = {
        "sqlite": [SQLITE_TRIGGER],
        "postgresql": [POSTGRESQL_FUNCTION, POSTGRESQL_TRIGGER],
    }
    for statement in [*triggers[dialect], *views.create_statements(dialect)]:
        if not statement.startswith("CREATE VIEW v_metric"):  # Later ones have more columns.
            op.execute(statement)
    op.execute(METRIC_VIEW)


def downgrade() -> None:
    for statement in views.drop_statements():
        op.execute(statement)
    for table in TABLES:
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change_of_ended_trial")
