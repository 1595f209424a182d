"""What the tests read from a vLLM page, with prometheus_client's parser: an opinion independent of our own parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

COMPLETIONS = "/v1/completions"


@dataclass(frozen=True)
class Counts:
    """The counters of one engine: at one moment, or what they moved between two (the difference)."""

    finished: Counter[str] = field(default_factory=Counter)  # sequences by finished_reason
    http: Counter[str] = field(default_factory=Counter)  # answers of /v1/completions by class of status, as 2xx
    rejected: int = 0  # refused at admission
    first_tokens: int = 0  # observations of the time to first token
    token_gaps: int = 0  # observations of the inter-token latency
    durations: int = 0  # observations of the end-to-end latency
    tokens: int = 0  # generated

    def __sub__(self, earlier: Counts) -> Counts:
        return Counts(
            self.finished - earlier.finished,
            self.http - earlier.http,
            self.rejected - earlier.rejected,
            self.first_tokens - earlier.first_tokens,
            self.token_gaps - earlier.token_gaps,
            self.durations - earlier.durations,
            self.tokens - earlier.tokens,
        )


def samples(page: str, name: str) -> Iterator[Sample]:
    """Every sample of that name, as it is written on the page."""
    for family in text_string_to_metric_families(page):
        yield from (sample for sample in family.samples if sample.name == name)


def counts(page: str) -> Counts:
    """Read a page; series that are not there yet count as 0."""
    return Counts(
        _by(page, "vllm:request_success_total", "finished_reason"),
        _by(page, "http_requests_total", "status", handler=COMPLETIONS),
        _sum(page, "vllm:admission_rejections_total"),
        _sum(page, "vllm:time_to_first_token_seconds_count"),
        _sum(page, "vllm:inter_token_latency_seconds_count"),
        _sum(page, "vllm:e2e_request_latency_seconds_count"),
        _sum(page, "vllm:generation_tokens_total"),
    )


def _sum(page: str, name: str) -> int:
    return sum(int(sample.value) for sample in samples(page, name))


def _by(page: str, name: str, label: str, **where: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for sample in samples(page, name):
        if where.items() <= sample.labels.items():
            found[sample.labels[label]] += int(sample.value)
    return found
