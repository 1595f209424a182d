"""What people ask for through the API and the command line."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Integer, Table, Text

from storage.tables.base import metadata

silence = Table(
    "silence",
    metadata,
    Column("id", Text, primary_key=True),
    Column("matchers", JSON, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
)

# A bearer token's SHA-256; the token itself is shown once, when it is made, and kept nowhere.
api_token = Table(
    "api_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
)

# Budgets that count anew from a minute on; `group_key` null is every group.
slo_reset = Table(
    "slo_reset",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slo", Text, nullable=False, index=True),
    Column("group_key", Text),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

# Sets of SLO files, whole. `origin`: "apply" by somebody's command, "files" as the engine found its folders.
slo_applied = Table(
    "slo_applied",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("files", JSON, nullable=False),
    Column("slos", JSON, nullable=False),
)
