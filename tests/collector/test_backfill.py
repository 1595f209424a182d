"""A selector that is applied later counts what the recent series know, once, and goes on without a gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.backfill import count_past
from collector.committing import begin, commit, settle
from collector.counting import SourceCounter
from collector.exposition import PageReader
from collector.target import Counting, TargetReader
from core.clock import ManualClock
from core.labels import make
from storage.database import Database, sqlite_url
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Dictionary
from storage.plan import MeasurePlan, SelectorMeasure
from storage.series import SeriesLimits, SeriesReader, SeriesWriter
from storage.tables import metadata

START = 1_800_000_000.0
URL = "http://a:1/metrics"
LABELS = make({"job": "web", "instance": "a:1"})
SELECTOR = SelectorMeasure(selector='hits_total{code="500"}', by=("zone",))


def _page(bad: int, good: int) -> bytes:
    return (
        f'# TYPE hits counter\nhits_total{{code="500",zone="n"}} {bad}\nhits_total{{code="200",zone="n"}} {good}\n'
    ).encode()


class _Target:
    def __init__(self, folder: Path) -> None:
        self.database = Database(sqlite_url(folder / "b.db"))
        metadata.create_all(self.database.engine)
        self.clock = ManualClock(START)
        self.folder = folder / "series"
        self.writer = SeriesWriter(self.folder, "0", self.clock, SeriesLimits())
        counter = SourceCounter(rows.open_source(self.database, "target", URL, START), 15.0, START)
        self.live = TargetReader(counter, LABELS, Counting((), MeasurePlan()))
        counter.discovered(START)
        self.pages = PageReader()
        self.dictionary = Dictionary()

    def scrape(self, time: float, bad: int, good: int) -> None:
        self.clock.set(time)
        reading = self.pages.read(_page(bad, good), "text/plain")
        refs = [self.writer.ref(make([*one.labels, *LABELS, ("__name__", one.name)])) for one in reading.series]
        self.writer.add(round(time * 1000), refs, reading.values)
        self.live.page(reading, time, time)

    def apply(self) -> None:
        plan = MeasurePlan(revision=1, selectors=(SELECTOR,))
        self.writer.flush()
        now = self.clock.now()
        past = count_past(self.database, SeriesReader(self.folder), self.live, URL, [SELECTOR], 1, now)
        assert past is not None
        self.commit({past.key: past.counter})
        self.live.recount(LABELS, Counting((), plan))
        self.live.counter.go_on_from(past.values)

    def commit(self, counters: dict[str, SourceCounter]) -> None:
        pending = begin(counters)
        settle(pending, commit(self.database, self.dictionary, pending, self.clock.now(), lambda _: None))

    def counted(self) -> int:
        self.commit({URL: self.live.counter})
        with self.database.write() as connection:
            rollups.store(connection, rollups.compute(connection))
        total = 0
        for _, cells in rollups.read(self.database, 60, 0):
            for (series_id, _cell), n in cells.items():
                atom = self.dictionary.atom(self.database, series_id)
                if atom.measure.name == SELECTOR.name:
                    assert atom.group == (("zone", "n"),)
                    total += n
        return total


@pytest.fixture
def target(tmp_path: Path) -> _Target:
    return _Target(tmp_path)


def test_what_was_scraped_before_the_selector_was_applied_is_counted_once(target: _Target) -> None:
    for step in range(10):
        target.scrape(START + 15 * step, bad=3 * step, good=100 * step)
    target.apply()
    assert target.counted() == 27
    for step in range(10, 14):
        target.scrape(START + 15 * step, bad=3 * step, good=100 * step)
    assert target.counted() == 39


def test_a_reset_in_the_past_is_counted_as_a_live_one_is(target: _Target) -> None:
    for step, bad in enumerate((5, 9, 2, 4)):
        target.scrape(START + 15 * step, bad=bad, good=0)
    target.apply()
    assert target.counted() == (9 - 5) + 2 + (4 - 2)


def test_a_target_without_recent_series_starts_from_its_next_page(target: _Target) -> None:
    target.writer.flush()
    assert count_past(target.database, SeriesReader(target.folder), target.live, URL, [SELECTOR], 1, START) is None
