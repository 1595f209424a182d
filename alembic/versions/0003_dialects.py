"""what dialects tell of a generation, and what stays of its text"""

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
    op.create_table(
        "kept_text",
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("span_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kept_at", sa.Float(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("trace_id", "span_id", name=op.f("pk_kept_text")),
    )
    with op.batch_alter_table("kept_text", schema=None) as batch_op:
        batch_op.create_index("ix_kept_text_kept_at", ["kept_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("kept_text", schema=None) as batch_op:
        batch_op.drop_index("ix_kept_text_kept_at")
    op.drop_table("kept_text")
    with op.batch_alter_table("generation", schema=None) as batch_op:
        for name, _ in reversed(COLUMNS):
            batch_op.drop_column(name)
