"""The tables, one module for each part that writes them (ARCHITECTURE: who writes what, alone)."""

from storage.tables.alerting import alert_cursor, incident, notification_group, notification_log, outbox
from storage.tables.base import metadata
from storage.tables.fleet import collector_shard, pushed, source, target_health
from storage.tables.generations import generation, kept_text, sample, score, span
from storage.tables.ledger import ledger_clock, ledger_measure, ledger_row, ledger_series, rollup, rollup_state
from storage.tables.maintenance import maintenance
from storage.tables.people import api_token, audit, silence, slo_applied, slo_reset
from storage.tables.rollout import canary, deployment
from storage.tables.slo import (
    alert_event,
    alert_state,
    evaluation,
    lease,
    measure_plan,
    slo_revision,
    slo_status,
    slo_status_block,
)

__all__ = [
    "alert_cursor",
    "alert_event",
    "alert_state",
    "api_token",
    "audit",
    "canary",
    "collector_shard",
    "deployment",
    "evaluation",
    "generation",
    "incident",
    "kept_text",
    "lease",
    "ledger_clock",
    "ledger_measure",
    "ledger_row",
    "ledger_series",
    "maintenance",
    "measure_plan",
    "metadata",
    "notification_group",
    "notification_log",
    "outbox",
    "pushed",
    "rollup",
    "rollup_state",
    "sample",
    "score",
    "silence",
    "slo_applied",
    "slo_reset",
    "slo_revision",
    "slo_status",
    "slo_status_block",
    "source",
    "span",
    "target_health",
]
