"""what dialects tell of a generation"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = (
    ("dialect", sa.Text()),
    ("cache_write_tokens", sa.BigInteger()),
    ("reasoning_tokens", sa.BigInteger()),
    ("tool_calls", sa.BigInteger()),
    ("tool_names", sa.JSON()),
)


def upgrade() -> None:
    with op.batch_alter_table("generation", schema=None) as batch_op:
        for name, kind in COLUMNS:
            batch_op.add_column(sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("generation", schema=None) as batch_op:
        for name, _ in reversed(COLUMNS):
            batch_op.drop_column(name)
