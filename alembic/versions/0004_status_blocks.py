"""the status of groups at rest, one blob an SLO"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slo_status_block",
        sa.Column("slo", sa.Text(), nullable=False),
        sa.Column("watermark", sa.Float(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("slo", name=op.f("pk_slo_status_block")),
    )


def downgrade() -> None:
    # The engine writes every row anew at its next minute, whichever of the two forms it knows.
    op.drop_table("slo_status_block")
