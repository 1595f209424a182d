"""What the tests of pushed series share: requests as a sender makes them of a fleet's samples, and a source to push to.

The messages are encoded by Google's protobuf, not by code of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import cramjam

from bench.remote_proto import WriteRequest
from collector.metrics import CollectorMetrics, PushMetrics
from collector.push.remote_write import RemoteWriteReader, way_of
from collector.push.source import PushSource, RawSeries
from collector.settings import CollectorSettings, RemoteWriteReceiver
from core.clock import ManualClock
from storage import fleet
from storage.database import Database
from storage.series import STALE, SeriesLimits, SeriesReader, SeriesWriter
from tests.collector.promql.world import Samples, Series


class Sent(NamedTuple):
    """One sample: its series' labels, milliseconds, and its value, NaN for a stale marker."""

    labels: Series
    time: int
    value: float


def body_of(samples: Iterable[Sent]) -> bytes:
    """A request that holds these samples, a series' own together."""
    request, by_labels = WriteRequest(), {}
    for one in samples:
        if one.labels not in by_labels:
            by_labels[one.labels] = request.timeseries.add()
            for name, value in one.labels:
                by_labels[one.labels].labels.add(name=name, value=value)
        value = STALE if isnan(one.value) else one.value
        by_labels[one.labels].samples.add(value=value, timestamp=one.time)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def told_of(samples: Samples) -> list[Sent]:
    """Everything that a sender has, as it stored it, with what Prometheus tells of each scrape."""
    found = [Sent(key, time, value) for key, own in samples.series.items() for time, value in own]
    shown: dict[tuple[Series, int], int] = {}
    for one in found:
        if dict(one.labels)["__name__"] != "up" and not isnan(one.value):
            target = tuple(p for p in one.labels if p[0] in ("job", "instance"))
            shown[target, one.time] = shown.get((target, one.time), 0) + 1
    for one in list(found):
        if dict(one.labels)["__name__"] == "up":
            target = tuple(p for p in one.labels if p[0] in ("job", "instance"))
            labels = dict(one.labels) | {"__name__": "scrape_samples_post_metric_relabeling"}
            n = one.value if isnan(one.value) else float(shown.get((target, one.time), 0))
            found.append(Sent(tuple(sorted(labels.items())), one.time, n))
    return sorted(found, key=lambda one: one.time)


def sharded(samples: Iterable[Sent], shards: int, size: int, random: Random) -> list[list[Sent]]:
    """Requests as queues by series make them, in one order in which they may arrive: each queue by itself in order."""
    queues: list[list[Sent]] = [[] for _ in range(shards)]
    place = {}
    for one in samples:
        queues[place.setdefault(one.labels, random.randrange(shards))].append(one)
    waiting = [[queue[at : at + size] for at in range(0, len(queue), size)] for queue in queues]
    found = []
    while waiting := [queue for queue in waiting if queue]:
        found.append(random.choice(waiting).pop(0))
    return found


@dataclass
class Receiving:
    """A collector that is pushed to, on a clock of its own; `start` is a new process over the same database."""

    folder: Path
    database: Database
    clock: ManualClock
    settings: RemoteWriteReceiver = field(default_factory=lambda: RemoteWriteReceiver(enabled=True))
    starts: int = 0
    drops: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """What the process before held in memory is gone."""
        self.starts += 1
        collector = CollectorSettings(remote_write_receiver=self.settings)
        series = self.folder / "series"
        writer = SeriesWriter(series, f"p{self.starts}", self.clock, SeriesLimits())
        self.metrics = PushMetrics(CollectorMetrics().registry)
        reader, raw = RemoteWriteReader(self.settings, self.clock), RawSeries(writer, SeriesReader(series))
        way = way_of(collector)
        self.source = PushSource(self.database, collector, way, reader, self.clock, self.metrics, raw)
        self.source.open()

    def push(self, samples: Iterable[Sent]) -> None:
        """One request that is answered."""
        request = self.source.read(body_of(samples))
        self.drops.update(request.dropped)
        if request.parts:
            self.source.keep([request])

    def settle(self, seconds: float = 11.0) -> None:
        """Let time pass, and count."""
        self.clock.advance(seconds)
        self.source.flush()

    def target(self, instance: str) -> fleet.TargetHealth:
        known = fleet.targets(self.database, with_left=True)
        return next(one for one in known if one.labels["instance"] == instance)

    def target_of(self, url: str) -> fleet.TargetHealth:
        return next(one for one in fleet.targets(self.database, with_left=True) if one.url == url)

    def dropped(self, reason: str) -> int:
        """Samples that were not taken."""
        return self.drops[reason]

    def pages(self, verdict: str) -> float:
        return float(self.metrics.pages.labels(verdict)._value.get())

    def conflicts(self) -> float:
        return float(self.metrics.conflicts._value.get())

    def detail(self) -> Any:
        with self.database.read() as connection:
            found = fleet.shard_state(connection, "0/push")
        assert found is not None
        return found[1]

    def watermark(self) -> float | None:
        with self.database.read() as connection:
            return fleet.watermark(connection)

    def waiting(self) -> int:
        """Requests that are kept."""
        with self.database.read() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM pushed").scalar_one())
