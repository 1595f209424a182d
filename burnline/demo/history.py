"""The past of the demo fleet: the metrics pages that a scraper would have seen had the fleet been running all along.

How requests spread over the buckets comes from a rehearsal of the live engine; how many there were, from a daily and
a weekly wave; what went wrong, from a short list of incidents. Every target is one process that never restarted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from burnline.demo import dcgm
from burnline.demo.engine import Engine, Hardware
from burnline.demo.load import LoadSettings, schedule
from burnline.demo.page import (
    BYTES_READ_PER_STEP,
    BYTES_WRITTEN_PER_TOKEN,
    FLOPS_PER_TOKEN,
    Histogram,
    Key,
    Meters,
    Page,
    ProcessFigures,
)
from burnline.demo.replica import COMPLETIONS, Call, draw_job
from burnline.demo.scenarios import Effects, Scope
from burnline.demo.settings import CANARY, MODEL_NAME, DemoSettings, Replica, Topology, topology
from core.durations import DAY, HOUR, MINUTE

Counts: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.float64]

# Coarse where only the hourly tier will hold it, fine in the last week: 2,569 pages a target for 30 days.
_FINE_SPAN, _FINE_STEP, _COARSE_STEP = 7 * DAY, 5 * MINUTE, HOUR
# The processes were up this long before the first page, so their counters do not begin at zero.
_UP_BEFORE = 2 * DAY

_ERRORS, _TRUNCATED, _ABORTED = 0.0006, 0.03, 0.0005
_REHEARSED_REQUESTS, _REHEARSED_RATE, _LONG_AFTER = 600, 3.75, 1e6
_SLOW = Effects(slowdown=4)


class HistoryPage(NamedTuple):
    """One scrape of the past: what `target_url` answered at `time` (Unix seconds)."""

    target_url: str
    job: str
    labels: dict[str, str]
    time: float
    body: bytes


class Incident(NamedTuple):
    """Something that went wrong for `hours` and began `days_ago`; `slow` engines take four times as long."""

    days_ago: float
    hours: float
    scope: Scope
    error_rate: float
    slow: bool = False


# Together with the errors of every day these leave 99.7 % of 30 days good; none reaches into the last three days,
# so that no alert window of today sees them.
INCIDENTS = (
    Incident(23.4, 6, Scope(region="eu-west"), 0.25),
    Incident(12.7, 9, Scope(version="v2"), 0.30, slow=True),
    Incident(4.6, 2, Scope("v1", "us-east"), 0.22, slow=True),
)


def page_times(now: float, days: int = 30) -> list[float]:
    """When the pages were scraped, in order; the last one at `now`."""
    fine = min(days * DAY, _FINE_SPAN)
    ages = [*range(days * DAY, fine, -_COARSE_STEP), *range(fine, -1, -_FINE_STEP)]
    return [now - age for age in ages]


def page_count(settings: DemoSettings, days: int = 30) -> int:
    """How many pages `pages` will yield."""
    return len(page_times(0.0, days)) * (sum(cell.replicas for cell in settings.cells) + 1)


def pages(settings: DemoSettings, now: float, days: int = 30) -> Iterator[HistoryPage]:
    """All pages of all targets in time order, the same for the same settings and `now`.

    The settings must name their ports (`with_free_ports`), as the targets have the URLs that the live fleet will have.
    """
    fleet = topology(settings)
    times = np.array(page_times(now, days))
    shares = _shares(settings)
    shapes = (_rehearse(settings.seed, Effects()), _rehearse(settings.seed, _SLOW))
    timeline = _Timeline(times, now)
    pasts = [_Past(settings, replica, shares[replica.name], shapes, timeline) for replica in fleet.replicas]
    exporter = _ExporterPast(fleet, pasts, times)
    targets = [(f"http://{target.targets[0]}/metrics", target.labels) for target in fleet.targets()]
    for row, time in enumerate(times.tolist()):
        bodies = [*(past.page(row) for past in pasts), exporter.page(row)]
        for (url, labels), body in zip(targets, bodies, strict=True):
            yield HistoryPage(url, labels["job"], labels, time, body)


def _shares(settings: DemoSettings) -> dict[str, float]:
    """Each replica's share of all requests, as the load generator splits them in the long run."""
    shares: dict[str, float] = {}
    for wants_canary, weight in ((True, settings.canary_share), (False, 1 - settings.canary_share)):
        cells = [cell for cell in settings.cells if (cell.version == CANARY) == wants_canary] or settings.cells
        for cell in cells:
            for number in range(cell.replicas):
                name = f"{cell.version}-{cell.region}-{number}"
                shares[name] = shares.get(name, 0.0) + weight / len(cells) / cell.replicas
    return shares


def wave(times: Values) -> Values:
    """Traffic relative to its mean: more by day than by night, less at the weekend (UTC)."""
    day = 1 + 0.45 * np.sin(2 * math.pi * (times / DAY - 0.375))
    weekday = (times // DAY + 3) % 7  # the epoch was a Thursday; Monday is 0
    return np.asarray(day * np.where(weekday >= 5, 0.6, 1.16))


@dataclass(frozen=True)
class _Shape:
    """How requests look under one condition: a histogram's cells as shares, its values a request and their mean."""

    shares: dict[Key, Values]
    per_request: dict[Key, float]
    means: dict[Key, float]
    prompt_tokens: float


def _rehearse(seed: int, effects: Effects) -> _Shape:
    """Let the live engine serve a few hundred requests under these effects."""
    load = LoadSettings([["", "v1", "", ""]], "", _REHEARSED_RATE, 0.0, 0.0, 1.0, seed)
    engine, meters = Engine(), Meters()
    engine.adjust(0.0, slowdown=effects.slowdown)
    calls: dict[int, Call] = {}
    finished = []
    for job_id, arrival in zip(range(_REHEARSED_REQUESTS), schedule(load), strict=False):
        calls[job_id] = Call(arrival.prompt_tokens, arrival.max_tokens, arrival.seed)
        engine.submit(arrival.time, draw_job(job_id, calls[job_id], Random(arrival.seed), effects))  # noqa: S311 -- a simulation
        finished += engine.advance(arrival.time)
    finished += engine.advance(_LONG_AFTER)
    for request in finished:
        meters.count_request(request, calls[request.id].max_tokens)
        meters.count_http(COMPLETIONS, "POST", 200, request.e2e, 0)
    meters.set_steps(engine.steps, engine.iteration_tokens, engine.iteration_cells)
    return _shape(meters, len(finished))


def _shape(meters: Meters, requests: int) -> _Shape:
    counts = {key: sum(histogram.cells) for key, histogram in meters.histograms.items()}
    return _Shape(
        shares={key: np.array(histogram.cells) / counts[key] for key, histogram in meters.histograms.items()},
        per_request={key: count / requests for key, count in counts.items()},
        means={key: histogram.total / counts[key] for key, histogram in meters.histograms.items()},
        prompt_tokens=meters.numbers[("vllm:prompt_tokens",)] / requests,
    )


class _Timeline(NamedTuple):
    """When the pages were scraped, and the time that incidents are counted back from."""

    times: Values
    now: float


class _Past:
    """All values of one replica over all pages; row i of each array belongs to page i.

    `shapes` are those of a healthy and of a slow engine.
    """

    def __init__(
        self,
        settings: DemoSettings,
        replica: Replica,
        share: float,
        shapes: tuple[_Shape, _Shape],
        timeline: _Timeline,
    ) -> None:
        times = timeline.times
        self._rng = np.random.default_rng([settings.seed, replica.gpu])
        self._times = times
        self._start = float(times[0]) - _UP_BEFORE - 60 * replica.gpu
        spans = np.diff(times, prepend=self._start)
        rate = settings.request_rate * share * wave(times - spans / 2)
        error_rate, slow = _conditions(replica, timeline)
        self._requests = np.asarray(self._rng.poisson(rate * spans), dtype=np.int64)
        self._shapes = shapes
        self._slow = slow
        self._numbers: dict[Key, list[float]] = {}
        self._histograms: dict[Key, tuple[Counts, list[float]]] = {}
        self._count_outcomes(error_rate)
        self._count_histograms()
        self._count_tokens()
        self.running = self._rng.poisson(rate * self._mean(("vllm:e2e_request_latency_seconds",)))
        self._meters = Meters()
        self._meters.http += [(COMPLETIONS, "POST", "2xx"), (COMPLETIONS, "POST", "5xx")]
        self._page = Page(MODEL_NAME, self._start + 20)

    def page(self, row: int) -> bytes:
        """The page as it stood then."""
        meters = self._meters
        for key, column in self._numbers.items():
            meters.numbers[key] = column[row]
        for key, (cells, totals) in self._histograms.items():
            meters.histograms[key] = Histogram(cells[row].tolist(), totals[row])
        running = int(self.running[row])
        blocks = running * self._shapes[0].prompt_tokens / Hardware.block_tokens
        meters.set_state(running, 0, min(1.0, blocks / Hardware.blocks), 0)
        meters.set_process(self._figures(float(self._times[row])))
        return self._page.render(meters)

    def _figures(self, time: float) -> ProcessFigures:
        up = time - self._start
        runs = ((int(up * 90), 0, int(up / 8)), (int(up * 12), 0, int(up / 80)), (int(up), 0, int(up / 4000)))
        return ProcessFigures(self._start, up * 0.31, 52_300_000_000, 6_100_000_000, 74, 1_048_576, runs)

    def _mean(self, key: Key) -> Values:
        healthy, slow = self._shapes
        return np.where(self._slow, slow.means[key], healthy.means[key])

    def _count_outcomes(self, error_rate: Values) -> None:
        left = self._requests
        outcomes = {}
        for outcome, rate in (("error", error_rate), ("abort", _ABORTED), ("length", _TRUNCATED)):
            outcomes[outcome] = self._rng.binomial(left, rate)
            left = left - outcomes[outcome]
        outcomes["stop"] = left
        for outcome, counts in outcomes.items():
            self._grow(counts, "vllm:request_success", outcome)
        answered = self._requests - outcomes["abort"]
        self._grow(answered - outcomes["error"], "http_requests", COMPLETIONS, "POST", "2xx")
        self._grow(outcomes["error"], "http_requests", COMPLETIONS, "POST", "5xx")
        for part, counts in (("count", answered), ("sum", answered * 1900)):
            self._grow(counts, "http_request_size_bytes", COMPLETIONS, part)
        self._grow(answered, "http_response_size_bytes", COMPLETIONS, "count")
        self._answered = answered

    def _count_histograms(self) -> None:
        for key, per_request in self._shapes[0].per_request.items():
            requests = self._answered if key[0].startswith("http_") else self._requests
            counts = requests if per_request == 1 else self._rng.poisson(requests * per_request)
            cells = self._spread(key, counts)
            self._histograms[key] = (np.cumsum(cells, axis=0), np.cumsum(counts * self._mean(key)).tolist())

    def _spread(self, key: Key, counts: Counts) -> Counts:
        """Share each page's count over the cells, as the condition of the time has it."""
        healthy, slow = (shape.shares[key] for shape in self._shapes)
        cells = self._rng.multinomial(counts, healthy)
        cells[self._slow] = self._rng.multinomial(counts[self._slow], slow)
        return np.asarray(cells, dtype=np.int64)

    def _count_tokens(self) -> None:
        noise = self._rng.normal(1, 0.01, len(self._requests))
        prompt = np.rint(self._requests * self._shapes[0].prompt_tokens * noise).astype(np.int64)
        gaps = np.diff(self._histograms[("vllm:inter_token_latency_seconds",)][0].sum(axis=1), prepend=0)
        generated = self._requests + gaps
        steps = np.diff(self._histograms[("vllm:iteration_tokens_total",)][0].sum(axis=1), prepend=0)
        self._grow(prompt, "vllm:prompt_tokens")
        self._grow(prompt, "vllm:prompt_tokens_by_source", "local_compute")
        self._grow(prompt, "vllm:prefix_cache_queries")
        self._grow(generated, "vllm:generation_tokens")
        self._grow((prompt + generated) * FLOPS_PER_TOKEN, "vllm:estimated_flops_per_gpu")
        self._grow((prompt + generated) * BYTES_WRITTEN_PER_TOKEN, "vllm:estimated_write_bytes_per_gpu")
        self._grow(steps * BYTES_READ_PER_STEP, "vllm:estimated_read_bytes_per_gpu")

    def _grow(self, increments: Counts | Values, *key: str) -> None:
        self._numbers[key] = np.cumsum(increments).tolist()


def _conditions(replica: Replica, timeline: _Timeline) -> tuple[Values, NDArray[np.bool_]]:
    """For each page, the share of errors since the page before it, and whether the engine was slow."""
    times = timeline.times
    error_rate = np.full(len(times), _ERRORS)
    slow = np.zeros(len(times), dtype=np.bool_)
    for incident in INCIDENTS:
        begin = timeline.now - incident.days_ago * DAY
        during = (times > begin) & (times <= begin + incident.hours * HOUR)
        if incident.scope.covers(replica.version, replica.region):
            error_rate[during] = incident.error_rate
            slow[during] = incident.slow
    return error_rate, slow


class _ExporterPast:
    """The GPU exporter's pages; power follows what ran on the replicas."""

    def __init__(self, fleet: Topology, pasts: list[_Past], times: Values) -> None:
        self._gpus = [dcgm.Gpu(replica.gpu, replica.gpu_uuid, replica.name) for replica in fleet.replicas]
        spans = np.diff(times, prepend=times[0] - _UP_BEFORE).tolist()
        self._readings = [list(_readings(past.running, spans)) for past in pasts]

    def page(self, row: int) -> bytes:
        """The page as it stood then."""
        return dcgm.render((gpu, readings[row]) for gpu, readings in zip(self._gpus, self._readings, strict=True))


def _readings(running: Counts, spans: list[float]) -> Iterator[dcgm.Reading]:
    energy = 0.0
    for sequences, span in zip(running.tolist(), spans, strict=True):
        occupancy = min(1.0, sequences / Hardware.max_sequences)
        reading = dcgm.Reading(float(sequences > 0), occupancy, Effects.gpu_memory, energy)
        energy += reading.watts * 1000 * span
        yield reading._replace(energy=energy)
