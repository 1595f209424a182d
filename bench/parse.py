"""Reading vLLM pages and counting them, against prometheus_client's text parser on the same pages."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from bench.harness import Table, cpu, figure, guarded, python, ratio, require_equal, take_turns
from bench.pages import BEGAN, CONTENT_TYPE, INTERVAL, PROFILED, SimulatedTarget
from collector.counting import SourceCounter
from collector.exposition import PageReader
from collector.target import Counting, TargetReader
from core.labels import Labels, make
from storage.ledger.rows import Checkpoint
from storage.plan import MeasurePlan

_DIMENSIONS = ("model", "version", "region", "tenant")
_PEER = "prometheus_client"
_STEADY, _CHURNING = "the same series", "series changed"
_VERIFIED_ROUNDS = 3

_Sample = tuple[str, Labels, float]


class _Size(NamedTuple):
    """`changing` and `churn` are shares of a page's values and series a scrape."""

    targets: int
    rounds: int
    changing: float
    churn: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when two readers disagree about a page or a count is not what the targets counted."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.parse",
        description="Measures the CPU time a series of collector.exposition.PageReader (cold: a new reader a page; "
        "warm: one that knows its target) and of the whole way page → layout → counter rules → measures "
        "(collector.target.TargetReader), against prometheus_client's text parser on the same pages of different "
        "targets in rotation. Every sample and every count is compared before anything is timed.",
    )
    parser.add_argument("--size", type=int, default=200, help="targets (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="timed scrapes of each target (default: %(default)s)")
    parser.add_argument("--changing", type=float, default=0.3, help="share of values that a scrape changes")
    parser.add_argument("--churn", type=float, default=0.01, help="share of series that come, go or move")
    given = parser.parse_args(argv)
    size = _Size(given.size, given.rounds, given.changing, given.churn)
    return guarded(lambda: _measure(size))


@dataclass
class _Watched:
    """A target, and everything that reads it."""

    number: int
    source: SimulatedTarget
    warm: PageReader = field(default_factory=PageReader)
    counted_pages: PageReader = field(default_factory=PageReader)
    scrapes: int = 0
    body: bytes = b""

    def __post_init__(self) -> None:
        checkpoint = Checkpoint(self.number, 0, None)
        self.counter = SourceCounter(checkpoint, INTERVAL, watched_since=BEGAN)
        self.counter.discovered(BEGAN)
        labels = make({"region": f"region-{self.number % 3}", "version": "v1"})
        self.reader = TargetReader(self.counter, labels, Counting(_DIMENSIONS, MeasurePlan()))

    def scrape(self) -> None:
        self.body = self.source.scrape()
        self.scrapes += 1

    def read_warm(self) -> None:
        self.warm.read(self.body, CONTENT_TYPE)

    def read_cold(self) -> None:
        PageReader().read(self.body, CONTENT_TYPE)

    def read_by_peer(self) -> None:
        for family in text_string_to_metric_families(self.body.decode()):
            for _ in family.samples:
                pass

    def count(self) -> None:
        now = BEGAN + self.scrapes * INTERVAL
        self.reader.page(self.counted_pages.read(self.body, CONTENT_TYPE), now, now)


def _fleet(size: _Size, churn: float) -> list[_Watched]:
    return [_Watched(number, SimulatedTarget(number, size.changing, churn)) for number in range(size.targets)]


def _measure(size: _Size) -> str:
    for churn in (0.0, size.churn):
        _verify(_fleet(size, churn))
    fleets = {_STEADY: _fleet(size, 0.0), _CHURNING: _fleet(size, size.churn)}
    everyone = [one for fleet in fleets.values() for one in fleet]
    _scrape(everyone)
    for one in everyone:
        one.read_warm()
        one.count()
    medians = take_turns(_contenders(fleets), size.rounds, prepare=lambda: _scrape(everyone))
    series = fleets[_STEADY][0].source.samples
    title = (
        f"Pages of {series} series from {size.targets} targets in rotation, {size.changing:.0%} of values changed and, "
        f"where it says so, {size.churn:.0%} of series added, removed or moved a scrape: {python()}, CPU time, "
        f"median of {size.rounds}"
    )
    peer = medians[_PEER]
    rows = [
        (name, figure(took * 1e6), figure(took * 1000 * series), ratio(peer, took)) for name, took in medians.items()
    ]
    return f"{title}\n\n{Table(('what', 'µs a series', 'ms a page', f'{_PEER} takes'), rows)}"


def _scrape(targets: list[_Watched]) -> None:
    for one in targets:
        one.scrape()


def _contenders(fleets: dict[str, list[_Watched]]) -> dict[str, Callable[[], float]]:
    """Figures are seconds a series; all read the same pages."""
    steady, churning = fleets[_STEADY], fleets[_CHURNING]
    return {
        _PEER: lambda: _seconds_a_series(churning, _Watched.read_by_peer),
        "PageReader, cold": lambda: _seconds_a_series(churning, _Watched.read_cold),
        f"PageReader, warm, {_CHURNING}": lambda: _seconds_a_series(churning, _Watched.read_warm),
        f"PageReader, warm, {_STEADY}": lambda: _seconds_a_series(steady, _Watched.read_warm),
        f"page to measures, {_CHURNING}": lambda: _seconds_a_series(churning, _Watched.count),
        f"page to measures, {_STEADY}": lambda: _seconds_a_series(steady, _Watched.count),
    }


def _seconds_a_series(fleet: list[_Watched], read: Callable[[_Watched], None]) -> float:
    def rotation() -> None:
        for one in fleet:
            read(one)

    return cpu(rotation) / sum(one.source.samples for one in fleet)


def _verify(fleet: list[_Watched]) -> None:
    """Every sample as the peer reads it, cold and warm; every count as the target made it."""
    for one in fleet:
        one.scrape()
        one.count()
        requests, cells = one.source.requests(), one.source.cells()
        for _ in range(_VERIFIED_ROUNDS):
            one.scrape()
            one.count()
            expected = _by_peer(one.body)
            require_equal("cold reading and prometheus_client", _by_ours(PageReader(), one.body), expected)
            require_equal("warm reading and prometheus_client", _by_ours(one.warm, one.body), expected)
        found = _counted(one.counter)
        require_equal(
            "counted requests and the target's own", found.pop(("requests", 0), 0), one.source.requests() - requests
        )
        require_equal("counted cells and the target's own", found, one.source.cells() - cells)


def _by_ours(reader: PageReader, body: bytes) -> list[_Sample]:
    reading = reader.read(body, CONTENT_TYPE)
    return sorted((one.name, one.labels, value) for one, value in zip(reading.series, reading.values, strict=True))


def _by_peer(body: bytes) -> list[_Sample]:
    families = text_string_to_metric_families(body.decode())
    return sorted((one.name, make(one.labels), one.value) for family in families for one in family.samples)


def _counted(counter: SourceCounter) -> Counter[tuple[str, int]]:
    """(signal, cell) → events in everything that the counter would commit."""
    wanted = counter.begin_flush()
    require_equal("rows to be read before a first commit", wanted, [])
    result: Counter[tuple[str, int]] = Counter()
    for row in counter.flush({}).rows.values():
        for (atom, cell), n in row.items():
            measure = atom.measure
            if measure.name in PROFILED or (
                measure.name == "requests" and ("outcome", "excluded") not in measure.attrs
            ):
                result[measure.name, cell] += n
    return result


if __name__ == "__main__":
    sys.exit(main())
