"""requests that were pushed, until their pages are counted"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pushed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushed")),
    )
    with op.batch_alter_table("pushed", schema=None) as batch_op:
        batch_op.create_index("ix_pushed_shard", ["shard"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("pushed", schema=None) as batch_op:
        batch_op.drop_index("ix_pushed_shard")
    op.drop_table("pushed")
