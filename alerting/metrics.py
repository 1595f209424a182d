"""Alerting's own metrics, in a registry of their own so that several parts can live in one process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

DELIVERED, RETRIED, REFUSED, EXPIRED = "delivered", "retried", "refused", "expired"


class AlertingMetrics:
    """Counters and gauges named burnline_alerting_*; `registry` is what a server of metrics shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.events = Counter(
            "burnline_alerting_events_consumed", "Alert events that the alerter has consumed.", registry=registry
        )
        self.decisions = Counter(
            "burnline_alerting_decisions",
            "Looks at groups, by what came of them.",
            ["receiver", "reason"],
            registry=registry,
        )
        self.notifications = Counter(
            "burnline_alerting_notifications",
            "Attempts to deliver: delivered, retried, refused (for good), expired (given up for age).",
            ["receiver", "outcome"],
            registry=registry,
        )
        self.outbox_depth = Gauge(
            "burnline_alerting_outbox_depth", "Notifications not yet delivered.", ["receiver"], registry=registry
        )
        self.outbox_age = Gauge(
            "burnline_alerting_outbox_oldest_age_seconds",
            "Age of the oldest notification not yet delivered.",
            ["receiver"],
            registry=registry,
        )
        self.outbox_failed = Gauge(
            "burnline_alerting_outbox_failed",
            "Notifications given up and still on record.",
            ["receiver"],
            registry=registry,
        )
        self.storage_errors = Counter(
            "burnline_alerting_storage_errors", "Transactions that failed and are tried again.", registry=registry
        )
        self.heartbeats = Counter(
            "burnline_alerting_heartbeats", "Calls of the heartbeat, by outcome.", ["outcome"], registry=registry
        )
