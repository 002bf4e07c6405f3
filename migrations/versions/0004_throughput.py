"""What stacks took and needed, by device and shape, and what the acting dispatcher trains on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    op.create_table(
        "throughput",
        sa.Column("device", sa.String(128), nullable=False),
        sa.Column("shape", sa.String(32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("step_s", sa.Double()),
        sa.Column("sequence_s", sa.Double(), nullable=False),
        sa.Column("micro_batch", sa.Integer()),
        sa.Column("peak_bytes", sa.BigInteger()),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("device", "shape", "size", name="throughput_pkey"),
    )
    op.add_column("dispatcher", sa.Column("machine", sa.Text()))


def downgrade() -> None:
    op.drop_column("dispatcher", "machine")
    op.drop_table("throughput")
