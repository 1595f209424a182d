"""What the evaluator says of itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class EvaluatorMetrics:
    """The evaluator's own series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ready = Gauge("burnline_evaluator_ready", "0 while models load.", registry=self.registry)
        self.heartbeat = Gauge(
            "burnline_evaluator_last_round_timestamp_seconds",
            "When the evaluator last asked for samples.",
            registry=self.registry,
        )
        self.detector_up = Gauge(
            "burnline_evaluator_detector_up",
            "0 for a detector that could not be loaded or that refuses to score.",
            ["detector", "revision"],
            registry=self.registry,
        )
        self.waiting = Gauge("burnline_evaluator_waiting_samples", "Samples without a verdict.", registry=self.registry)
        self.verdicts = Counter(
            "burnline_evaluator_verdicts",
            "Verdicts that were committed.",
            ["detector", "verdict"],
            registry=self.registry,
        )
        self.texts = Counter(
            "burnline_evaluator_texts",
            "Texts of samples that were finished, by what became of them: hash, redacted (kept so); dropped, "
            "unredactable, unread, expired (not kept; an expired sample may have had no text).",
            ["fate"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "burnline_evaluator_batch_seconds",
            "Time of one detector on one batch.",
            ["detector"],
            buckets=(0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self.lost = Counter(
            "burnline_evaluator_lost_samples",
            "Samples that another evaluator took while they were scored; nothing was written of them.",
            registry=self.registry,
        )
        self.failures = Counter(
            "burnline_evaluator_failures", "Rounds that the database failed.", ["reason"], registry=self.registry
        )
