"""Versions on their way: deployments that people or controllers register, and the engine's verdicts on canaries."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, Table, Text

from storage.tables.base import metadata

deployment = Table(
    "deployment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("model", Text),
    Column("version", Text, nullable=False),
    Column("region", Text),
    Column("share", Float),
    Column("note", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_deployment_at", "at"),
    sqlite_autoincrement=True,
)

# `verdict` is the row of the API's contract; `failed_at` latches: a test that has rejected once stays rejected.
canary = Table(
    "canary",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("region", Text),
    Column("version", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("deployment_id", Integer),
    Column("failed_at", Float),
    Column("state", Text, nullable=False),
    Column("watermark", Float, nullable=False),
    Column("verdict", JSON, nullable=False),
    Index("ix_canary_started_at", "started_at"),
)
