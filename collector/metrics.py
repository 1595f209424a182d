"""What the collector says of itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class CollectorMetrics:
    """The collector's own series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.scrapes = Counter(
            "burnline_collector_scrapes", "Scrapes by outcome.", ["job", "outcome"], registry=self.registry
        )
        self.scrape_seconds = Histogram(
            "burnline_collector_scrape_seconds",
            "Time from asking to the last byte.",
            ["job"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.samples = Counter("burnline_collector_samples", "Samples read.", ["job"], registry=self.registry)
        self.lateness = Histogram(
            "burnline_collector_scrape_lateness_seconds",
            "How long after its time a scrape began.",
            buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 15),
            registry=self.registry,
        )
        self.flush_seconds = Histogram(
            "burnline_collector_flush_seconds",
            "Time of one commit of counts and checkpoints.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
            registry=self.registry,
        )
        self.flush_failures = Counter(
            "burnline_collector_flush_failures",
            "Commits that failed; their content goes with the next.",
            ["reason"],
            registry=self.registry,
        )
        self.checkpoint_conflicts = Counter(
            "burnline_collector_checkpoint_conflicts",
            "Targets that another writer had counted first.",
            registry=self.registry,
        )
        self.targets = Gauge("burnline_collector_targets", "Targets in discovery.", ["job"], registry=self.registry)
        self.discovery_failures = Counter(
            "burnline_collector_discovery_failures",
            "Refreshes that failed; the targets known before go on.",
            ["job", "source"],
            registry=self.registry,
        )
        self.flushed_through = Gauge(
            "burnline_collector_flushed_through_seconds",
            "Unix time up to which counts are committed.",
            registry=self.registry,
        )
        self.raw_samples_dropped = Counter(
            "burnline_collector_raw_samples_dropped",
            "Raw samples given up because the disk is full; counts are never given up.",
            registry=self.registry,
        )
