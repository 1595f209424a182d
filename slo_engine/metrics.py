"""What the engine says of itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class EngineMetrics:
    """The engine's own series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.tick_seconds = Histogram(
            "burnline_engine_tick_seconds",
            "Time of one tick.",
            buckets=(0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
            registry=self.registry,
        )
        self.watermark_age = Gauge(
            "burnline_engine_watermark_age_seconds", "Age of the newest committed counts.", registry=self.registry
        )
        self.leader = Gauge("burnline_engine_leader", "1 while this engine decides.", registry=self.registry)
        self.slos = Gauge(
            "burnline_engine_slos", "SLOs by state of their definition.", ["state"], registry=self.registry
        )
        self.groups = Gauge("burnline_engine_groups", "Groups of all SLOs.", registry=self.registry)
        self.alerts = Gauge("burnline_engine_alerts", "Alerts by state.", ["state"], registry=self.registry)
        self.events = Counter(
            "burnline_engine_alert_events", "Changes of alerts.", ["transition"], registry=self.registry
        )
        self.reload_failures = Counter(
            "burnline_engine_reload_failures",
            "Reloads of SLO files that were refused; the SLOs before go on.",
            registry=self.registry,
        )
        self.config_ok = Gauge(
            "burnline_engine_last_reload_successful",
            "0 while the SLO files on disk are broken.",
            registry=self.registry,
        )
        self.failures = Counter(
            "burnline_engine_tick_failures", "Ticks that failed.", ["reason"], registry=self.registry
        )
