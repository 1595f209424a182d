"""The language of the counter rules' tests: pages of one target at times, and what they must count.

One command a line, `#` begins a comment; times are Prometheus durations since a full hour.

    interval 15s                 between two scrapes (15s by default)
    job 0s                       when the target's job was first watched (0s by default)
    discovered 5s                the target is in discovery from now on
    left 90s                     and is no more
    page 10s a=3 h=1,2,4 start=2s created.a=2s revision=2 partial
                                 a good scrape: counters by name (a list is a histogram's cumulative values, or one
                                 that is no number: nan), the process start, a counter's `_created`, the revision that
                                 the page was read under, and whether a limit cut it
    miss 25s                     a scrape that failed
    collector restarts           what is in memory is gone, the checkpoint remains
    verdict a=born h=baseline    about the last page: why each counter's increment is what it is
    target sawtooth              about the last page: sawtooth, not monotonic <names>, or sound
    count a 0m=3 1m=4            the whole content of a measure by bucket, a histogram's by cell: 0m=1,1,2
    time covered 0m=45s          the whole target-time of a state by bucket: expected, covered, spread
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from collector.counters import CounterSlot, Reading
from collector.counting import CountedPage, Outcome, SourceCounter
from collector.increments import Page, advance
from collector.measures import Coverage, Layout
from core.durations import parse_prometheus, render
from core.measures import TARGET_TIME, Measure
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, Checkpoint, RowKey

EPOCH = 3600 * 472_222
"""Whole hours since 1970, so that buckets of every width begin with a script."""
GROUP = (("model", "m"),)


def seconds(text: str) -> float:
    """A time of a script as Unix seconds."""
    return EPOCH + parse_prometheus(text)


@dataclass
class Script:
    """Runs one script; AssertionError names the line that does not hold."""

    interval: float = 15.0
    watched_since: float = float(EPOCH)
    checkpoint: Checkpoint = field(default_factory=lambda: Checkpoint(1, 0, None))
    rows: dict[RowKey, AtomCells] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    counter: SourceCounter | None = None

    def run(self, text: str) -> None:
        """Run every line."""
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if words:
                command: Callable[[list[str]], None] = getattr(self, f"do_{words[0]}")
                try:
                    command(words[1:])
                except AssertionError as error:
                    raise AssertionError(f"line {number}: {line.strip()}\n{error}") from None

    def do_interval(self, words: list[str]) -> None:
        self.interval = parse_prometheus(words[0])

    def do_job(self, words: list[str]) -> None:
        self.watched_since = seconds(words[0])

    def do_discovered(self, words: list[str]) -> None:
        self._counter().discovered(seconds(words[0]))

    def do_left(self, words: list[str]) -> None:
        self._counter().left(seconds(words[0]))

    def do_miss(self, words: list[str]) -> None:
        time = seconds(words[0])
        self._counter().miss(time, time)

    def do_page(self, words: list[str]) -> None:
        time = seconds(words[0])
        layout, readings, facts = _page(words[1:])
        page = Page(
            time,
            readings,
            seconds(facts["start"]) if "start" in facts else None,
            "partial" not in facts,
            facts.get("revision", "1"),
        )
        counter = self._counter()
        step = advance(counter.state, page, counter.watched_since, counter.covered_until)
        risen = step.rise.increments() if step.rise is not None else ()
        self.verdicts = {gained.key: gained.verdict.value for gained in (*step.increments, *risen)}
        self.outcome = counter.accept(CountedPage(page, layout, ()), time)

    def do_collector(self, words: list[str]) -> None:
        assert words == ["restarts"]
        self._flush()
        self.counter = None

    def do_verdict(self, words: list[str]) -> None:
        wanted = dict(word.split("=") for word in words)
        found = {name: self.verdicts.get(name, "nothing") for name in wanted}
        assert found == {name: verdict.replace("-", " ") for name, verdict in wanted.items()}, found

    def do_target(self, words: list[str]) -> None:
        assert self.outcome is not None
        found = ["sawtooth"] if self.outcome.sawtooth else ["sound"]
        if self.outcome.not_monotonic:
            found = ["not", "monotonic", *self.outcome.not_monotonic]
        assert found == words, found

    def do_count(self, words: list[str]) -> None:
        self._compare(words[1:], words[0], (), str)

    def do_time(self, words: list[str]) -> None:
        self._compare(words[1:], TARGET_TIME, (("state", words[0]),), lambda ms: render(ms / 1000))

    def _compare(self, words: list[str], name: str, attrs: tuple[tuple[str, str], ...], show: Callable) -> None:
        self._flush()
        found: dict[int, dict[int, int]] = {}
        for key, row in self.rows.items():
            for (atom, cell), n in row.items():
                if (atom.measure.name, atom.measure.attrs) == (name, attrs):
                    found.setdefault(key.bucket, {})[cell] = n
        shown = [f"{_at(bucket)}={_cells(cells, show)}" for bucket, cells in sorted(found.items())]
        assert shown == [word for word in words if word != "nothing"], " ".join(shown) or "nothing"

    def _counter(self) -> SourceCounter:
        if self.counter is None:
            self.counter = SourceCounter(self.checkpoint, self.interval, self.watched_since)
        return self.counter

    def _flush(self) -> None:
        """Commit to a ledger that is a dictionary."""
        counter = self._counter()
        wanted = counter.begin_flush()
        if wanted is None:
            return
        flush = counter.flush({key: self.rows[key] for key in wanted if key in self.rows})
        self.rows.update(flush.rows)
        self.checkpoint = Checkpoint(1, self.checkpoint.version + 1, flush.state)
        counter.committed(flush, self.checkpoint)


def _at(bucket: int) -> str:
    since = bucket - EPOCH
    return f"{since // 60}m"


def _cells(cells: Mapping[int, int], show: Callable[[int], str]) -> str:
    return ",".join(show(cells.get(cell, 0)) for cell in range(max(cells) + 1))


def _page(words: list[str]) -> tuple[Layout, Mapping[str, Reading], dict[str, str]]:
    """The layout and readings of a page of these words, and its other facts."""
    facts = {name: value for name, _, value in (word.partition("=") for word in words)}
    names = [name for name in facts if name not in ("start", "revision", "partial") and "." not in name]
    values: list[float] = []
    slots = []
    for name in names:
        numbers = [float(text) for text in facts[name].split(",")]
        at = tuple(range(len(values), len(values) + len(numbers)))
        values += numbers
        created = None
        if f"created.{name}" in facts:
            created = len(values)
            values.append(seconds(facts[f"created.{name}"]))
        bounds = tuple(float(n) for n in range(1, len(numbers))) if len(numbers) > 1 else None
        slots.append(CounterSlot(name, at, 1.0, (Atom(Measure(name, "engine", (), bounds), GROUP),), created))
    layout = _layout(tuple(slots))
    return layout, layout.columns.read(np.array(values, np.float64)), facts


@cache
def _layout(slots: tuple[CounterSlot, ...]) -> Layout:
    """Pages of one shape have one layout, as a collector's have."""
    return Layout(slots, (), (), None, (Coverage("", "engine", frozenset({GROUP})),))
