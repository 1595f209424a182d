"""What the collectors write beside the ledger: sources, their checkpoints, shards, target health, pushed requests."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text

from storage.tables.base import metadata

source = Table(
    "source",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("version", BigInteger, nullable=False),
    Column("state", LargeBinary),
    Column("updated_at", Float, nullable=False),
)

collector_shard = Table(
    "collector_shard",
    metadata,
    Column("shard", Text, primary_key=True),
    Column("flushed_through", Float, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
    Column("detail", JSON, nullable=False),
)

target_health = Table(
    "target_health",
    metadata,
    Column("url", Text, primary_key=True),
    Column("shard", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("groups", JSON, nullable=False),
    Column("signals", JSON, nullable=False),
    Column("engine", Text),
    Column("layer", Text),
    Column("interval", Float, nullable=False),
    Column("up", Boolean),
    Column("last_scrape_at", Float),
    Column("last_success_at", Float),
    Column("progress_at", Float),
    Column("scrape_seconds", Float),
    Column("samples", Integer),
    Column("error_reason", Text),
    Column("error", Text),
    Column("conditions", JSON, nullable=False),
    Column("watched_since", Float, nullable=False),
    Column("left_at", Float),
)

pushed = Table(
    "pushed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shard", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_pushed_shard", "shard"),
)
