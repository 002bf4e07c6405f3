"""Notes, tags and archiving of sweeps; rounds that add points to their curves."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")
    op.add_column("sweep", sa.Column("note", sa.Text()))
    op.add_column("sweep", sa.Column("tags", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("sweep", sa.Column("archived_at", moment))
    op.add_column(
        "variant",
        sa.Column("rounds_open", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("point", sa.Column("round", sa.Integer()))
    op.create_index(
        "variant_open",
        "variant",
        ["id"],
        postgresql_where=sa.text("rounds_open"),
        sqlite_where=sa.text("rounds_open"),
    )
    # What is deleted must not be referred to, which is looked up for each row.
    op.create_index("trial_replaces", "trial", ["replaces"])
    op.create_index("stack_parent_id", "stack", ["parent_id"])


def downgrade() -> None:
    op.drop_index("stack_parent_id", "stack")
    op.drop_index("trial_replaces", "trial")
    op.drop_index("variant_open", "variant")
    op.drop_column("point", "round")
    op.drop_column("variant", "rounds_open")
    op.drop_column("sweep", "archived_at")
    op.drop_column("sweep", "tags")
    op.drop_column("sweep", "note")
