"""Measurements that are no single number, such as the quantiles of effective learning rates."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VIEW = """CREATE VIEW v_metric AS
SELECT t.public_id AS trial, m.key, m.step, m.value, m.kind{detail}
FROM metric m JOIN trial t ON t.id = m.trial_id"""


def upgrade() -> None:
    op.execute("DROP VIEW v_metric")
    op.add_column("metric", sa.Column("detail", sa.Text()))
    op.execute(VIEW.format(detail=", m.detail"))


def downgrade() -> None:
    op.execute("DROP VIEW v_metric")
    op.execute("DELETE FROM metric WHERE kind = 'json'")
    op.drop_column("metric", "detail")
    op.execute(VIEW.format(detail=""))
