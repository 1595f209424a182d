"""What the engine writes: the measure plan, SLO revisions and status, alert states and their events, its lease."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, LargeBinary, Table, Text

from storage.tables.base import metadata

measure_plan = Table(
    "measure_plan",
    metadata,
    Column("revision", Integer, primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("plan", JSON, nullable=False),
)

slo_revision = Table(
    "slo_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slo", Text, nullable=False, index=True),
    Column("since", Float, nullable=False),
    Column("digest", Text, nullable=False),
    Column("objective", Text, nullable=False),
    Column("window_seconds", Integer, nullable=False),
    Column("spec", JSON, nullable=False),
)

slo_status = Table(
    "slo_status",
    metadata,
    Column("slo", Text, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("watermark", Float, nullable=False),
    Column("status", JSON, nullable=False),
)

# Groups at rest, all of an SLO in one blob of `storage.status_blocks`; the others have their rows in slo_status.
slo_status_block = Table(
    "slo_status_block",
    metadata,
    Column("slo", Text, primary_key=True),
    Column("watermark", Float, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

alert_state = Table(
    "alert_state",
    metadata,
    Column("slo", Text, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("severity", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("starts_at", Float),
    Column("calm_ticks", Integer, nullable=False),
)

# An event is appended in the transaction that changes the state: neither is ever without the other.
alert_event = Table(
    "alert_event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("slo", Text, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("transition", Text, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Index("ix_alert_event_slo_at", "slo", "at"),
    sqlite_autoincrement=True,
)

# Which minutes were evaluated: a backtest over the ledger must look at the same ones.
evaluation = Table(
    "evaluation",
    metadata,
    Column("minute", BigInteger, primary_key=True),
    Column("at", Float, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),
)
