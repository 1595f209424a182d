"""The ledger: dictionary, rows by source (written by collectors and evaluators), roll-ups (written by the engine)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from storage.tables.base import metadata

ledger_measure = Table(
    "ledger_measure",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
)

ledger_series = Table(
    "ledger_series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("measure_id", Integer, ForeignKey("ledger_measure.id"), nullable=False),
    Column("group_key", Text, nullable=False),
    UniqueConstraint("measure_id", "group_key"),
)

ledger_row = Table(
    "ledger_row",
    metadata,
    Column("source_id", Integer, ForeignKey("source.id"), primary_key=True),
    Column("width", Integer, primary_key=True),
    Column("bucket", BigInteger, primary_key=True),
    Column("rev", BigInteger, nullable=False),
    Column("cells", LargeBinary, nullable=False),
    Index("ix_ledger_row_rev", "rev"),
    Index("ix_ledger_row_width_bucket", "width", "bucket"),
)

# One row: every commit of rows takes the next number under its lock, so numbers are in the order of commits.
ledger_clock = Table(
    "ledger_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rev", BigInteger, nullable=False),
)

rollup = Table(
    "rollup",
    metadata,
    Column("width", Integer, primary_key=True),
    Column("bucket", BigInteger, primary_key=True),
    Column("direct", LargeBinary, nullable=False),
    Column("fine", LargeBinary, nullable=False),
)

rollup_state = Table(
    "rollup_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rev", BigInteger, nullable=False),
)
