"""What the collector says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collector.otlp.commit import Receipt
    from collector.otlp.prepare import Prepared


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
        self.targets_dropped = Gauge(
            "burnline_collector_targets_dropped", "Targets that relabelling dropped.", ["job"], registry=self.registry
        )
        self.targets_refused = Gauge(
            "burnline_collector_targets_refused",
            "Targets that cannot be scraped as their labels say; the shard's detail says why.",
            ["job"],
            registry=self.registry,
        )
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
        self.remote_write = RemoteWriteMetrics(self.registry)


class RemoteWriteMetrics:
    """What is told of each remote, in the collector's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter(
            "burnline_remote_write_samples_sent", "Samples that the remote took.", ["remote"], registry=registry
        )
        self.retried = Counter(
            "burnline_remote_write_samples_retried",
            "Samples of requests that failed and are sent again.",
            ["remote"],
            registry=registry,
        )
        self.dropped = Counter(
            "burnline_remote_write_samples_dropped",
            "Samples that are not sent any more, by reason.",
            ["remote", "reason"],
            registry=registry,
        )
        self.requests = Counter(
            "burnline_remote_write_requests",
            "Requests by the HTTP status of their answer, or by what came instead of one.",
            ["remote", "code"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "burnline_remote_write_request_seconds",
            "Time from sending a request to its answer.",
            ["remote"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.pending_samples = Gauge(
            "burnline_remote_write_samples_pending", "Samples on disk that wait.", ["remote"], registry=registry
        )
        self.pending_bytes = Gauge(
            "burnline_remote_write_bytes_pending", "Bytes on disk that wait.", ["remote"], registry=registry
        )
        self.lag = Gauge(
            "burnline_remote_write_lag_seconds",
            "Age of the oldest sample that waits; 0 when none does.",
            ["remote"],
            registry=registry,
        )


class OtlpMetrics:
    """The OTLP receiver's own series, in the collector's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.listening = Gauge("burnline_otlp_listening", "Whether spans are received: 0 or 1.", registry=registry)
        self.requests = Counter(
            "burnline_otlp_requests", "Requests by the HTTP status of their answer.", ["code"], registry=registry
        )
        self.grpc_listening = Gauge(
            "burnline_otlp_grpc_listening", "Whether spans are received over gRPC: 0 or 1.", registry=registry
        )
        self.grpc_requests = Counter(
            "burnline_otlp_grpc_requests", "Calls over gRPC by the code of their answer.", ["code"], registry=registry
        )
        self.spans_rejected = Counter("burnline_otlp_spans_rejected", "Spans that were refused.", registry=registry)
        self.spans_cut = Counter(
            "burnline_otlp_spans_cut", "Spans of drawn traces beyond what is kept of one.", registry=registry
        )
        self.texts_dropped = Counter(
            "burnline_otlp_texts_dropped",
            "Texts that generations told and that were not stored, by reason: not_drawn, too_long.",
            ["reason"],
            registry=registry,
        )
        self.told_again = Counter(
            "burnline_otlp_told_again",
            "Model calls not counted, because another instrumentation of the process told the same call from within.",
            registry=registry,
        )
        self.dialects = Counter(
            "burnline_otlp_dialects",
            "Model calls counted, by the newest dialect on their span.",
            ["dialect"],
            registry=registry,
        )
        self.generations = Counter("burnline_otlp_generations", "Model calls counted.", registry=registry)
        self.drawn = Counter("burnline_otlp_drawn", "Generations drawn, by stratum.", ["stratum"], registry=registry)
        self.duplicates = Counter(
            "burnline_otlp_duplicates", "Model calls that had been counted before.", registry=registry
        )
        self.commit_seconds = Histogram(
            "burnline_otlp_commit_seconds",
            "Time of one commit.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
            registry=registry,
        )
        self.commit_failures = Counter(
            "burnline_otlp_commit_failures", "Commits that failed; clients send again.", ["reason"], registry=registry
        )
        self.checkpoint_conflicts = Counter(
            "burnline_otlp_checkpoint_conflicts", "Commits that another writer had overtaken.", registry=registry
        )
        self.groups_capped = Gauge(
            "burnline_otlp_measures_capped", "Measures whose groups are over the cap.", registry=registry
        )

        self.forwarded = Counter(
            "burnline_otlp_forwarded_spans", "Spans that a trace backend took.", ["target"], registry=registry
        )
        self.forward_dropped = Counter(
            "burnline_otlp_forward_dropped_spans",
            "Spans that were not forwarded: full, refused, expired or ended.",
            ["target", "reason"],
            registry=registry,
        )
        self.forward_failures = Counter(
            "burnline_otlp_forward_failures",
            "Requests that a trace backend did not take.",
            ["target"],
            registry=registry,
        )
        self.forward_queue = Gauge(
            "burnline_otlp_forward_queue_bytes", "Spans that wait to be forwarded.", ["target"], registry=registry
        )

    def prepared(self, found: Prepared) -> None:
        """A request was read."""
        self.spans_rejected.inc(found.rejected)
        self.spans_cut.inc(found.spans_cut)
        self.told_again.inc(found.told_again)
        for reason, texts in found.texts_dropped.items():
            self.texts_dropped.labels(reason).inc(texts)

    def committed(self, receipt: Receipt) -> None:
        """A commit was written."""
        self.generations.inc(len(receipt.counted))
        self.duplicates.inc(receipt.duplicates)
        self.checkpoint_conflicts.inc(receipt.conflicts)
        for call in receipt.counted:
            self.dialects.labels(call.generation.dialect or "none").inc()
            if call.generation.sampled:
                self.drawn.labels(call.generation.stratum).inc()


class PrometheusMetrics:
    """What the readers of Prometheus-compatible servers say of themselves, in the collector's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "burnline_prometheus_requests",
            "Requests to a server by outcome: ok, or the reason why it did not answer.",
            ["server", "outcome"],
            registry=registry,
        )
        self.samples = Counter(
            "burnline_prometheus_samples", "Samples counted or known already.", ["server"], registry=registry
        )
        self.strays = Counter(
            "burnline_prometheus_stray_samples",
            "Samples that have the time of no scrape, and are not counted.",
            ["server"],
            registry=registry,
        )
        self.targets = Gauge("burnline_prometheus_targets", "Targets read.", ["server"], registry=registry)
        self.refused = Gauge(
            "burnline_prometheus_refused_targets",
            "Targets that are not counted, since they are counted elsewhere or cannot be told apart.",
            ["server"],
            registry=registry,
        )
        self.lag = Gauge(
            "burnline_prometheus_lag_seconds", "Age of the newest time that was read.", ["server"], registry=registry
        )
        self.conflicts = Counter(
            "burnline_prometheus_checkpoint_conflicts",
            "Targets that another writer had counted first.",
            ["server"],
            registry=registry,
        )
        self.flush_failures = Counter(
            "burnline_prometheus_flush_failures",
            "Commits that failed; their content goes with the next.",
            ["server", "reason"],
            registry=registry,
        )


class PushMetrics:
    """What a receiver of pushed series says of itself, in the collector's registry; `of` begins the names."""

    def __init__(self, registry: CollectorRegistry, of: str = "burnline_push") -> None:
        self.listening = Gauge(f"{of}_listening", "Whether pushed series are received: 0 or 1.", registry=registry)
        self.requests = Counter(
            f"{of}_requests", "Requests by the HTTP status of their answer.", ["code"], registry=registry
        )
        self.samples = Counter(f"{of}_samples", "Samples that pages were made of.", registry=registry)
        self.old_samples = Counter(
            f"{of}_old_samples",
            "Samples that were there, or whose page was settled before they came.",
            registry=registry,
        )
        self.dropped = Counter(
            f"{of}_dropped_samples",
            "Samples that are not taken, by reason: no_target, not_selected, replica, past, future, native_histogram, "
            "rejected.",
            ["reason"],
            registry=registry,
        )
        self.pages = Counter(f"{of}_pages", "Pages by what became of them.", ["verdict"], registry=registry)
        self.open_samples = Gauge(
            f"{of}_open_samples", "Samples that wait for the rest of their pages.", registry=registry
        )
        self.targets = Gauge(f"{of}_targets", "Targets that are pushed and counted.", registry=registry)
        self.refused = Gauge(
            f"{of}_refused_targets", "Targets that are counted elsewhere, and not here.", registry=registry
        )
        self.keep_failures = Counter(
            f"{of}_keep_failures", "Commits that failed; senders send again.", ["reason"], registry=registry
        )
        self.flush_failures = Counter(
            f"{of}_flush_failures",
            "Commits of counts that failed; their content goes with the next.",
            ["reason"],
            registry=registry,
        )
        self.conflicts = Counter(
            f"{of}_checkpoint_conflicts", "Targets that another writer had counted first.", registry=registry
        )
        self.raw_samples_dropped = Counter(
            f"{of}_raw_samples_dropped",
            "Raw samples given up because the disk is full; counts are never given up.",
            registry=registry,
        )
