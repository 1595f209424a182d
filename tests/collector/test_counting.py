from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.counters import CounterSlot, Reading
from collector.counting import CountedPage, SourceCounter
from collector.increments import Page
from collector.measures import Coverage, Layout
from core.buckets import FIVE_MINUTES, HOURS, MINUTES
from core.measures import TARGET_TIME, Group, Measure
from core.signals import SIGNALS
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush

GROUP: Group = (("model", "m"),)
REQUESTS = Atom(Measure("requests", "engine"), GROUP)
TTFT = Atom(Measure("ttft", "engine", (), (0.1, 1.0)), GROUP)
DEPTH = Atom(Measure("queue_depth", "engine", (), SIGNALS["queue_depth"].bounds), GROUP)
GPU_TIME = Atom(Measure("gpu_time", "engine"), GROUP)
ENGINE = Coverage("", "engine", frozenset({GROUP}))
LAYOUT = Layout(
    (CounterSlot("a", (0,), 1.0, (REQUESTS,), None), CounterSlot("h", (1, 2, 3), 1.0, (TTFT,), None)),
    (),
    (),
    None,
    (ENGINE,),
)
INTERVAL = 15.0
START = 3600.0 * 472_222


@dataclass
class Ledger:
    """One source's rows and checkpoint, with the compare-and-set of the real one."""

    checkpoint: Checkpoint = field(default_factory=lambda: Checkpoint(1, 0, None))
    rows: dict[RowKey, AtomCells] = field(default_factory=dict)

    def commit(self, flush: SourceFlush) -> bool:
        if flush.checkpoint.version != self.checkpoint.version:
            return False
        self.rows.update(flush.rows)
        self.checkpoint = Checkpoint(1, flush.checkpoint.version + 1, flush.state)
        return True

    def total(self, atom: Atom) -> tuple[int, ...]:
        return self.cells(atom) if atom.measure.bounds else (sum(self.cells(atom)),)

    def cells(self, atom: Atom) -> tuple[int, ...]:
        found: Counter[int] = Counter()
        for row in self.rows.values():
            found.update({cell: n for (one, cell), n in row.items() if one == atom})
        return tuple(found[cell] for cell in range(atom.measure.cells))

    def time(self, state: str) -> dict[RowKey, int]:
        atom = Atom(Measure(TARGET_TIME, "engine", (("state", state),)), GROUP)
        return {key: n for key, row in self.rows.items() if (n := row.get((atom, 0), 0))}


@dataclass
class Writer:
    """A collector's counter and its way to the ledger, which may fail in between."""

    ledger: Ledger
    counter: SourceCounter = field(init=False)
    flight: SourceFlush | None = None
    first: int = 0
    """What the page showed that this writer took as the source's first."""

    def __post_init__(self) -> None:
        self.crash()

    def crash(self) -> None:
        self.flight = None
        self.counter = SourceCounter(self.ledger.checkpoint, INTERVAL, START)

    def scrape(self, page: Page) -> None:
        if self.counter.expected_until is None:
            self.counter.discovered(page.time)
        if self.counter.state is None:
            self.first = page.counters["a"].values[0]
        self.counter.accept(CountedPage(page, LAYOUT, ()), page.time)

    def begin(self) -> None:
        if self.flight is not None or (wanted := self.counter.begin_flush()) is None:
            return
        self.flight = self.counter.flush({key: self.ledger.rows[key] for key in wanted if key in self.ledger.rows})

    def finish(self, how: str) -> None:
        if self.flight is None:
            return
        flight, self.flight = self.flight, None
        if how == "fails":
            self.counter.failed()
        elif not self.ledger.commit(flight):
            self.counter.lost(self.ledger.checkpoint)
        elif how == "goes unanswered":
            self.counter.failed()
        else:
            self.counter.committed(flight, self.ledger.checkpoint)

    def flush(self) -> None:
        self.begin()
        self.finish("succeeds")


@dataclass
class Process:
    """One life of the target: what it has served since it began."""

    began: float
    served: list[int] = field(default_factory=lambda: [0, 0, 0])
    scraped: tuple[int, ...] = (0, 0, 0)

    def page(self, time: float, *, tells: bool = True) -> Page:
        low, middle, high = self.served
        cumulative = (low, low + middle, low + middle + high)
        counters = {"a": Reading((cumulative[-1],)), "h": Reading(cumulative)}
        self.scraped = tuple(self.served)
        return Page(time, counters, self.began if tells else None, True, "1")


events = st.tuples(st.just("events"), st.integers(0, 2), st.integers(0, 1000))
waits = st.sampled_from([2.0, 7.5, 15.0, 14.999, 61.0, 400.0, 4000.0])
scrapes = st.tuples(st.just("scrape"), waits)
lives = st.lists(
    st.one_of(
        events,
        events,
        scrapes,
        scrapes,
        st.tuples(st.just("miss"), waits),
        st.tuples(st.just("restart"), waits),
        st.tuples(st.just("crash")),
        st.tuples(st.just("flush")),
    ),
    max_size=40,
)


@dataclass
class World:
    """One target, one collector, and what truly happened."""

    tells: bool = True
    ledger: Ledger = field(default_factory=Ledger)
    time: float = START + 1000
    process: Process = field(default_factory=lambda: Process(START - 1))
    first: tuple[int, ...] | None = None
    """What the first page showed, unless it proved that its process was born under our eyes: a baseline."""
    ended: list[tuple[int, ...]] = field(default_factory=list)
    """What ended processes had shown on their last page."""

    def __post_init__(self) -> None:
        self.writer = Writer(self.ledger)
        self.writer.counter.discovered(self.time)

    def events(self, cell: int, n: int) -> None:
        self.process.served[cell] += n

    def scrape(self, wait: float) -> None:
        self.time += wait
        self.writer.scrape(self.process.page(self.time, tells=self.tells))
        if self.first is None:
            born = self.tells and self.process.began >= START
            self.first = (0, 0, 0) if born else self.process.scraped
        self.writer.flush()

    def miss(self, wait: float) -> None:
        self.time += wait
        self.writer.counter.miss(self.time, self.time)

    def restart(self, wait: float) -> None:
        self.time += wait
        self.ended.append(self.process.scraped)
        self.process = Process(self.time)
        self.time += 2.0

    def crash(self) -> None:
        self.writer.flush()
        self.writer.crash()
        self.writer.counter.discovered(self.time)

    def flush(self) -> None:
        self.writer.flush()

    def truth(self) -> tuple[int, ...]:
        shown = [*self.ended, self.process.scraped]
        return tuple(sum(life[n] for life in shown) - (self.first[n] if self.first else 0) for n in range(3))


@given(lives)
@settings(max_examples=150, deadline=None)
def test_the_ledger_holds_what_each_process_showed_after_the_first_page(steps: list[tuple]) -> None:
    world = World()
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.flush()
    assert world.ledger.cells(TTFT) == world.truth()
    assert world.ledger.total(REQUESTS) == (sum(world.truth()),)


@given(lives)
@settings(max_examples=100, deadline=None)
def test_a_target_that_tells_no_process_start_is_never_counted_twice(steps: list[tuple]) -> None:
    world = World(tells=False)
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.flush()
    assert sum(world.ledger.total(REQUESTS)) <= sum(world.truth())
    assert sum(world.ledger.cells(TTFT)) <= sum(world.truth())


@given(lives, st.booleans())
@settings(max_examples=100, deadline=None)
def test_spread_is_part_of_covered_and_covered_part_of_expected(steps: list[tuple], tells: bool) -> None:
    world = World(tells)
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.flush()
    expected, covered, spread = (world.ledger.time(state) for state in ("expected", "covered", "spread"))
    assert all(n <= key.width * 1000 for key, n in expected.items())
    assert all(n <= expected.get(key, 0) for key, n in covered.items())
    assert all(n <= covered.get(key, 0) for key, n in spread.items())


two_writers = st.lists(
    st.one_of(
        st.tuples(st.just("serve"), st.integers(0, 1), st.integers(0, 50)),
        st.tuples(st.just("scrape"), st.integers(0, 1), waits),
        st.tuples(st.just("scrape"), st.integers(0, 1), waits),
        st.tuples(st.just("begin"), st.integers(0, 1)),
        st.tuples(st.just("finish"), st.integers(0, 1), st.sampled_from(["succeeds", "fails", "goes unanswered"])),
        st.tuples(st.just("finish"), st.integers(0, 1), st.just("succeeds")),
        st.tuples(st.just("crash"), st.integers(0, 1)),
    ),
    max_size=60,
)


@given(two_writers)
@settings(max_examples=200, deadline=None)
def test_two_writers_of_one_source_count_what_the_checkpoint_shows_and_nothing_twice(steps: list[tuple]) -> None:
    ledger, process, time = Ledger(), Process(START - 1), START + 1000
    writers = [Writer(ledger), Writer(ledger)]
    baseline: int | None = None
    for name, which, *arguments in steps:
        if name == "serve":
            process.served[0] += arguments[0]
        elif name == "scrape":
            time += arguments[0]
            writers[which].scrape(process.page(time))
        else:
            getattr(writers[which], name)(*arguments)
        if ledger.checkpoint.version and baseline is None:
            baseline = writers[which].first
        if baseline is not None:
            assert ledger.total(REQUESTS) == (_checkpointed(ledger) - baseline,)
    if baseline is not None:
        for writer in writers:
            writer.flight = None
            writer.crash()
        writers[0].scrape(process.page(time + 15))
        writers[0].flush()
        assert ledger.total(REQUESTS) == (process.served[0] - baseline,)


def _checkpointed(ledger: Ledger) -> int:
    """What the target had served when it was last read by a writer whose commit won."""
    state = SourceCounter(ledger.checkpoint, INTERVAL, START).state
    assert state is not None
    return state.counters["a"].values[0]


def test_a_commit_that_fails_again_and_again_loses_nothing() -> None:
    writer, process = Writer(Ledger()), Process(START - 1)
    for n in range(20):
        process.served[n % 3] += n
        writer.scrape(process.page(START + 15 * n))
        writer.begin()
        writer.finish("fails")
    assert writer.ledger.rows == {}
    writer.flush()
    assert writer.ledger.cells(TTFT) == tuple(process.served)
    assert writer.ledger.time("covered") == writer.ledger.time("expected")


def test_what_two_processes_counted_before_one_flush_may_have_more_than_64_bits() -> None:
    writer, large = Writer(Ledger()), 2.0**62 + 2.0**61
    lives = [(START - 1, 0.0), (START - 1, large), (START + 25, 0.0), (START + 25, large)]
    for n, (began, value) in enumerate(lives):
        counters = LAYOUT.columns.read(np.full(4, value))
        writer.scrape(Page(START + 30 + 5 * n, counters, began, True, "1"))
    writer.flush()
    assert writer.ledger.total(REQUESTS) == (2 * int(large),)
    assert writer.ledger.cells(TTFT) == (2 * int(large), 0, 0)


def test_a_page_between_a_flush_and_its_outcome_goes_with_the_next_flush() -> None:
    writer, process = Writer(Ledger()), Process(START - 1)
    writer.scrape(process.page(START))
    process.served[0] = 3
    writer.scrape(process.page(START + 15))
    writer.begin()
    process.served[0] = 8
    writer.scrape(process.page(START + 30))
    writer.finish("succeeds")
    assert writer.ledger.total(REQUESTS) == (3,)
    writer.flush()
    assert writer.ledger.total(REQUESTS) == (8,)


def test_nothing_is_flushed_when_nothing_was_read() -> None:
    writer = Writer(Ledger())
    assert writer.counter.begin_flush() is None
    writer.scrape(Process(START - 1).page(START))
    assert writer.counter.begin_flush() is not None
    assert writer.counter.begin_flush() is None


def test_counts_of_a_long_gap_lie_in_buckets_of_the_width_that_their_age_has() -> None:
    writer, process = Writer(Ledger()), Process(START - 1)
    writer.scrape(process.page(START))
    process.served[0] = 10_000_000
    writer.scrape(process.page(START + 9 * 86_400))
    writer.flush()
    end = START + 9 * 86_400
    by_width: dict[int, list[int]] = {}
    for key, row in writer.ledger.rows.items():
        if (REQUESTS, 0) in row:
            by_width.setdefault(key.width, []).append(key.bucket)
    assert writer.ledger.total(REQUESTS) == (10_000_000,)
    assert {width: len(set(buckets)) for width, buckets in by_width.items()} == {
        MINUTES.width: 48 * 60,
        FIVE_MINUTES.width: 5 * 24 * 12,
        HOURS.width: 2 * 24,
    }
    assert min(by_width[60]) == end - MINUTES.retention
    assert min(by_width[300]) == end - FIVE_MINUTES.retention


def test_a_gauge_is_counted_as_covered_time_in_the_cell_of_its_value() -> None:
    counter = SourceCounter(Checkpoint(1, 0, None), INTERVAL, START)
    counter.discovered(START)
    for n, depth in enumerate((7.0, 0.0, 9.0, 10_000.0)):
        page = Page(START + 15 * n, {}, None, True, "1")
        counter.accept(CountedPage(page, LAYOUT, ((DEPTH, depth),)), page.time)
    counter.begin_flush()
    (row,) = counter.flush({}).rows.values()
    found = {cell: n for (atom, cell), n in row.items() if atom == DEPTH}
    bounds = DEPTH.measure.bounds
    assert bounds is not None
    assert found == {0: 15_000, bounds.index(10): 15_000, len(bounds): 15_000}


def test_gpu_time_and_its_cost_are_covered_time() -> None:
    layout = Layout((), (), (GPU_TIME, GPU_TIME), None, (ENGINE,))
    counter = SourceCounter(Checkpoint(1, 0, None), INTERVAL, START, gpu_microdollars_per_hour=3_600_000)
    counter.discovered(START - 5)
    for time in (START, START + 15, START + 30):
        counter.accept(CountedPage(Page(time, {}, None, True, "1"), layout, ()), time)
    counter.begin_flush()
    (row,) = (row for key, row in counter.flush({}).rows.items() if key.bucket == START)
    assert row[GPU_TIME, 0] == 60_000
    assert row[Atom(Measure("cost", "engine"), GROUP), 0] == 60_000


def test_a_page_without_the_engines_series_counts_time_in_the_groups_that_were_there() -> None:
    writer, process = Writer(Ledger()), Process(START - 1)
    writer.counter.discovered(START)
    writer.scrape(process.page(START + 15))
    bare = CountedPage(Page(START + 30, {}, START - 1, True, "2"), Layout((), (), (), None, ()), ())
    writer.counter.accept(bare, START + 30)
    writer.flush()
    assert sum(writer.ledger.time("expected").values()) == 30_000
    assert sum(writer.ledger.time("covered").values()) == 15_000


@pytest.mark.parametrize("family", ["", "selector:x by()"])
def test_a_family_without_groups_on_a_page_keeps_its_own(family: str) -> None:
    counter = SourceCounter(Checkpoint(1, 0, None), INTERVAL, START)
    for n, groups in enumerate(({GROUP}, set())):
        layout = Layout((), (), (), None, (Coverage(family, "engine", frozenset(groups)),))
        counter.accept(CountedPage(Page(START + n, {}, None, True, "1"), layout, ()), START + n)
    assert counter.coverage == (Coverage(family, "engine", frozenset({GROUP})),)


def test_both_layers_of_a_page_keep_their_groups_when_a_page_has_neither() -> None:
    layers = (Coverage("", "router", frozenset({()})), Coverage("", "engine", frozenset({GROUP})))
    counter = SourceCounter(Checkpoint(1, 0, None), INTERVAL, START)
    for n, families in enumerate((layers, ())):
        layout = Layout((), (), (), None, families)
        counter.accept(CountedPage(Page(START + n, {}, None, True, "1"), layout, ()), START + n)
    assert counter.coverage == layers


def test_a_checkpoint_holds_all_that_counting_needs() -> None:
    writer, process = Writer(Ledger()), Process(START - 1)
    writer.counter.discovered(START)
    process.served = [1, 2, 3]
    writer.scrape(process.page(START + 15))
    writer.flush()
    again = SourceCounter(writer.ledger.checkpoint, INTERVAL, START + 999)
    for name in ("state", "expected_until", "covered_until", "coverage", "watched_since"):
        assert getattr(again, name) == getattr(writer.counter, name)
