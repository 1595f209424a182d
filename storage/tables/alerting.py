"""What the alerter writes, in one transaction with its cursor: groups, incidents, the notification log, the outbox."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, Table, Text

from storage.tables.base import metadata

# One row. Its lock is what keeps a second alerter from consuming the same events.
alert_cursor = Table(
    "alert_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event_id", Integer, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# `detached`: the route tree no longer sends these alerts here; only their resolution is still told.
# `log_floor`: log entries up to this id are of an earlier group of the same key.
notification_group = Table(
    "notification_group",
    metadata,
    Column("key", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("labels", JSON, nullable=False),
    Column("alerts", JSON, nullable=False),
    Column("flush_at", Float, nullable=False),
    Column("muted", Boolean, nullable=False),
    Column("detached", Boolean, nullable=False),
    Column("log_floor", Integer, nullable=False),
    Index("ix_notification_group_flush_at", "flush_at"),
)

notification_log = Table(
    "notification_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_key", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("firing", JSON, nullable=False),
    Column("resolved", JSON, nullable=False),
    Column("outbox_id", Integer),
    Index("ix_notification_log_group_key_receiver", "group_key", "receiver"),
    Index("ix_notification_log_at", "at"),
    sqlite_autoincrement=True,
)

# `next_attempt_at` of a row in state `sending` is when its claim lapses.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("receiver", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("dedup_key", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Float, nullable=False),
    Column("delivered_at", Float),
    Column("error", Text),
    Index("ix_outbox_state_receiver_next_attempt_at", "state", "receiver", "next_attempt_at"),
    Index("ix_outbox_receiver_key_state", "receiver", "key", "state"),
    sqlite_autoincrement=True,
)

# `ack_pending`: an acknowledgement that receivers have not been told yet.
incident = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_key", Text, nullable=False),
    Column("slo", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("alerts", JSON, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("notified_at", Float),
    Column("resolved_at", Float),
    Column("outcome", Text),
    Column("acknowledged_at", Float),
    Column("acknowledged_by", Text),
    Column("comment", Text),
    Column("ack_pending", Boolean, nullable=False),
    Column("open", Boolean, nullable=False),
    Index("ix_incident_open_group_key", "open", "group_key"),
    Index("ix_incident_slo_opened_at", "slo", "opened_at"),
    sqlite_autoincrement=True,
)
