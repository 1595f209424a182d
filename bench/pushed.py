"""Receiving pushed series: CPU of reading requests, of keeping them, and of counting their pages."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cramjam

from bench.harness import Table, cpu, figure, guarded, python, require_equal
from bench.remote_proto import WriteRequest
from collector.metrics import CollectorMetrics, PushMetrics
from collector.push.remote_write import RemoteWriteReader, way_of
from collector.push.source import PushSource, RawSeries
from collector.push.way import Pushed
from collector.settings import CollectorSettings
from core.clock import ManualClock
from storage import fleet, migrate
from storage.database import Database, sqlite_url
from storage.series import SeriesLimits, SeriesReader, SeriesWriter

_BEGAN = 1_799_996_400.0
_INTERVAL = 15
_REQUEST = 2000
_TOLD = "scrape_samples_post_metric_relabeling"


class _Round(NamedTuple):
    """CPU seconds of one scrape of the whole fleet; `peer` is reading it by Google's classes."""

    peer: float
    read: float
    keep: float
    count: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when not all targets were counted, or a request is kept that has been."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pushed",
        description="Measures the CPU time of pushed series, a sample: decoding requests of 2,000 samples, against "
        "Google's protobuf, writing them to SQLite, and putting pages together, counting and committing them.",
    )
    parser.add_argument("--size", type=int, nargs=2, default=[20, 600], help="targets and series (default: 20 600)")
    parser.add_argument("--rounds", type=int, default=8, help="scrapes, 15 s apart (default: %(default)s)")
    given = parser.parse_args(argv)
    return guarded(lambda: _measure(*given.size, given.rounds))


def _measure(targets: int, series: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(sqlite_url(Path(folder) / "burnline.db"))
        migrate.upgrade(database)
        clock = ManualClock(_BEGAN)
        source = _source(Path(folder), database, clock)
        found = [_round(source, clock, _requests(targets, series, n)) for n in range(rounds + 2)][2:]
        require_equal("targets", sum(one.shard == "0/push" for one in fleet.targets(database)), targets)
        require_equal("samples that wait", source.assembly.samples, 0)
        database.dispose()
    samples = targets * (series + 2) * rounds
    names = {"peer": "read by Google's classes"}
    costs = {step: sum(getattr(one, step) for one in found) / samples * 1e6 for step in _Round._fields}
    table = Table(("step", "µs a sample"), [(names.get(step, step), figure(cost)) for step, cost in costs.items()])
    return f"{targets} targets of {series} series: {python()}, CPU time\n\n{table}"


def _source(folder: Path, database: Database, clock: ManualClock) -> PushSource:
    settings, series = CollectorSettings(), folder / "series"
    raw = RawSeries(SeriesWriter(series, "push", clock, SeriesLimits()), SeriesReader(series))
    reader = RemoteWriteReader(settings.remote_write_receiver, clock)
    source = PushSource(
        database, settings, way_of(settings), reader, clock, PushMetrics(CollectorMetrics().registry), raw
    )
    source.open()
    return source


def _round(source: PushSource, clock: ManualClock, bodies: Sequence[bytes]) -> _Round:
    clock.advance(_INTERVAL)
    read: list[Pushed] = []
    peer: list[int] = []
    by_google = cpu(lambda: peer.extend(map(_google, bodies)))
    reading = cpu(lambda: read.extend(map(source.read, bodies)))
    require_equal("samples read", [len(one.parts) for one in read], peer)
    return _Round(by_google, reading, cpu(lambda: source.keep(read)), cpu(source.flush))


def _google(body: bytes) -> int:
    """Decode a request and name its series; how many samples it has."""
    request = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    told = [(tuple((label.name, label.value) for label in one.labels), one.samples) for one in request.timeseries]
    return sum(len(samples) for _, samples in told)


def _requests(targets: int, series: int, n: int) -> list[bytes]:
    """What Prometheus sends of one scrape of every target."""
    found, request = [], WriteRequest()
    for target in range(targets):
        for name, bound, value in _page(series, n):
            one = request.timeseries.add()
            labels = {"__name__": name, "instance": f"h{target}:8000", "job": "vllm", "le": bound}
            for label, text in labels.items():
                if text:
                    one.labels.add(name=label, value=text)
            one.samples.add(value=value, timestamp=round((_BEGAN + (n + 1) * _INTERVAL) * 1000))
            if len(request.timeseries) == _REQUEST:
                found.append(bytes(cramjam.snappy.compress_raw(request.SerializeToString())))
                request = WriteRequest()
    return [*found, bytes(cramjam.snappy.compress_raw(request.SerializeToString()))]


def _page(series: int, n: int) -> list[tuple[str, str, float]]:
    bounds = [*map(str, range(1, series)), "+Inf"]
    page = [("vllm:e2e_request_latency_seconds_bucket", bound, float(n * (at + 1))) for at, bound in enumerate(bounds)]
    return [*page, ("up", "", 1.0), (_TOLD, "", float(series))]


if __name__ == "__main__":
    sys.exit(main())
