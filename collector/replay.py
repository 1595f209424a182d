"""Pages of the past through the collector's own path, on a clock of their own.

Two uses: an OpenMetrics file with timestamps (as `promtool tsdb create-blocks-from openmetrics` takes), where a target
is its `job` and `instance`; and rendered pages that fill a history. Counts go to their own buckets however old they
are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from collector.committing import begin, commit, give_back, settle
from collector.counting import SourceCounter
from collector.exposition import PageReader, Series
from collector.synthetic import NAMES
from collector.target import Counting, PageValues, TargetReader
from core.errors import PageRejected, StorageError
from core.labels import Labels, make
from storage import fleet
from storage.database import Database
from storage.fleet import TargetHealth
from storage.ledger import rows
from storage.ledger.dictionary import Dictionary
from storage.series.arrays import Floats

SHARD = "replay"
_DEFAULT_INTERVAL = 60.0


class TimedPage(NamedTuple):
    """What one target said at one time (Unix seconds); `values` None is a scrape that failed."""

    url: str
    job: str
    labels: Labels
    time: float
    page: PageValues | None


class Samples(NamedTuple):
    """A page as columns."""

    series: Sequence[Series]
    values: Sequence[float]

    @property
    def numbers(self) -> Floats:
        """The values as an array."""
        return np.array(self.values, np.float64)


def read_openmetrics(body: bytes) -> tuple[list[TimedPage], dict[str, float]]:
    """Pages in time order, and each target's usual interval. PageRejected where the file is no OpenMetrics text, or a
    sample has no timestamp."""
    reading = PageReader().read(body, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    if reading.timestamps is None or None in reading.timestamps:
        raise PageRejected(1, "every sample of a replay needs a timestamp")
    pages: dict[str, dict[int, list[tuple[Series, float]]]] = defaultdict(lambda: defaultdict(list))
    own: dict[Series, tuple[str, Series]] = {}
    for series, value, stamp in zip(reading.series, reading.values, reading.timestamps, strict=True):
        if series not in own:
            own[series] = _without_target(series)
        url, bare = own[series]
        assert stamp is not None
        pages[url][stamp].append((bare, value))
    timed = [_timed(url, stamp, samples) for url, stamps in pages.items() for stamp, samples in stamps.items()]
    intervals = {url: _usual_interval(sorted(stamps)) for url, stamps in pages.items()}
    return sorted(timed, key=lambda page: (page.time, page.url)), intervals


def _without_target(series: Series) -> tuple[str, Series]:
    labels = dict(series.labels)
    job, instance = labels.pop("job", ""), labels.pop("instance", "")
    return f"replay://{instance}/{job}", Series(series.name, make(labels))


def _timed(url: str, stamp: int, samples: Sequence[tuple[Series, float]]) -> TimedPage:
    instance, _, job = url.removeprefix("replay://").rpartition("/")
    page = [(series, value) for series, value in samples if series.name not in NAMES]
    down = any(series.name == "up" and value == 0 for series, value in samples)
    content = None if down and not page else Samples([s for s, _ in page], [v for _, v in page])
    return TimedPage(url, job, make({"job": job, "instance": instance}), stamp / 1000, content)


def _usual_interval(stamps: Sequence[int]) -> float:
    steps = [b - a for a, b in pairwise(stamps) if b > a]
    return median(steps) / 1000 if steps else _DEFAULT_INTERVAL


@dataclass
class Replayer:
    """Counts timed pages into a ledger. Not for targets that a live collector scrapes at the same time."""

    database: Database
    counting: Counting
    gpu_microdollars_per_hour: float = 0.0
    counters: dict[str, TargetReader] = field(default_factory=dict)
    health: dict[str, TargetHealth] = field(default_factory=dict)
    _dictionary: Dictionary = field(default_factory=Dictionary)
    _watched: dict[str, float] = field(default_factory=dict)

    def feed(self, page: TimedPage, interval: float, now: float) -> None:
        """Count one page at the time it carries; `now` decides which tier its buckets belong to."""
        self._watched.setdefault(page.job, page.time)
        reader = self.counters.get(page.url) or self._open(page, interval)
        health = self.health[page.url]
        health.last_scrape_at = page.time
        health.up = page.page is not None
        if page.page is None:
            reader.counter.miss(page.time, now)
            return
        outcome = reader.page(page.page, page.time, now)
        health.last_success_at = page.time
        if outcome.progressed:
            health.progress_at = page.time
        health.layer = reader.profile.layer if reader.profile is not None else None
        health.groups = [dict(group) for group in reader.groups()]
        health.signals = reader.signals()

    def flush(self, through: float, now: float, *, announce: bool = True) -> None:
        """Commit what was fed. `announce`: say so as a collector shard does, so that an engine may evaluate it."""
        pending = begin({url: reader.counter for url, reader in self.counters.items()})

        def also(connection: Connection) -> None:
            if announce:
                fleet.put_targets(connection, self.health.values())
                fleet.put_shard(connection, SHARD, through, through, now, {})

        try:
            settlement = commit(self.database, self._dictionary, pending, now, also)
        except StorageError:
            give_back(pending)
            raise
        settle(pending, settlement)

    def _open(self, page: TimedPage, interval: float) -> TargetReader:
        checkpoint = rows.open_source(self.database, "target", page.url, page.time)
        counter = SourceCounter(checkpoint, interval, self._watched[page.job], self.gpu_microdollars_per_hour)
        reader = TargetReader(counter, page.labels, self.counting)
        counter.discovered(page.time)
        self.counters[page.url] = reader
        self.health[page.url] = TargetHealth(
            page.url, SHARD, page.job, dict(page.labels), interval, self._watched[page.job]
        )
        return reader


def rendered(pages: Iterable[tuple[str, str, Labels, float, bytes]]) -> Iterable[TimedPage]:
    """Pages given as bytes (url, job, labels, time, body), each read by its target's own reader."""
    readers: dict[str, PageReader] = defaultdict(PageReader)
    for url, job, labels, time, body in pages:
        yield TimedPage(url, job, labels, time, readers[url].read(body, "text/plain; version=0.0.4"))
