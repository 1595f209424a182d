"""sets of SLO files that were in force, and budgets that count anew"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slo_reset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slo", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slo_reset")),
    )
    with op.batch_alter_table("slo_reset", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_slo_reset_slo"), ["slo"], unique=False)
    op.create_table(
        "slo_applied",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("slos", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slo_applied")),
    )


def downgrade() -> None:
    op.drop_table("slo_applied")
    with op.batch_alter_table("slo_reset", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_slo_reset_slo"))
    op.drop_table("slo_reset")
