"""Maintenance windows that people announce: time that counts neither good nor bad."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Table, Text

from storage.tables.base import metadata

# `begins` is a local time of `zone`; `rule` an RRULE; `ended_at` cuts what would come after it.
maintenance = Table(
    "maintenance",
    metadata,
    Column("id", Text, primary_key=True),
    Column("matchers", JSON, nullable=False),
    Column("begins", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("duration", Float, nullable=False),
    Column("rule", Text),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
)
