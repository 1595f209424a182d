"""One source's counting: pages go in, bucket rows and a checkpoint come out. No input or output of its own.

`accept` and `miss` are called for every attempt to scrape; `begin_flush` and `flush` hand out what has to be committed,
and `committed`, `failed` or `lost` say what became of it. What is accepted between a flush and its outcome is kept
apart.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

import orjson
import zstandard

from collector.counters import Columns, Reading, Table, cells_of, readings
from collector.frozen import Stillness
from collector.increments import Advance, Increment, Last, Page, Rise, TargetState, added, advance
from collector.measures import Coverage, Layout
from collector.placing import Span
from core.buckets import MINUTES
from core.histogram import cell_of
from core.measures import TARGET_TIME, Group, Measure
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush
from storage.series.arrays import Ints

SPREAD_INTERVALS = 3
"""A span over more scrape intervals than this fills its buckets with an even spread that nobody saw."""
_FAMILIES = 4096
"""Families of groups, one a target or so, whose target-time is looked up instead of being put together again."""
_KEEP_BUCKETS = 3
"""Rows of the last minutes stay in memory, since the next scrape adds to them; older ones are read again if needed."""


class Mark(Enum):
    """States of target-time."""

    EXPECTED = "expected"
    COVERED = "covered"
    SPREAD = "spread"


class CountedPage(NamedTuple):
    """A good scrape as the counter takes it. `since`: its counters tell what was added since then (Unix seconds)."""

    page: Page
    layout: Layout
    gauges: tuple[tuple[Atom, float], ...]
    since: float | None = None


class Outcome(NamedTuple):
    """What a page did: for target health. `progressed`: tokens or requests were finished, nothing was waiting,
    or the process has only begun. `relabelled`: counters that go on under another name. `overtook`: a restart that only
    start times tell of. `frozen`: the page says that requests are in flight, and nothing moves. `finished`: requests
    that ended well."""

    progressed: bool
    sawtooth: bool
    not_monotonic: tuple[str, ...]
    relabelled: int = 0
    overtook: bool = False
    frozen: bool = False
    finished: int = 0


@dataclass
class SourceCounter:
    """Counts one scrape target. Times are Unix seconds."""

    checkpoint: Checkpoint
    interval: float
    watched_since: float
    gpu_microdollars_per_hour: float = 0.0
    state: TargetState | None = None
    expected_until: float | None = None
    covered_until: float | None = None
    """Target-time up to here is settled: it began with the discovery, and no moment is covered twice."""
    coverage: tuple[Coverage, ...] = ()
    _pending: dict[RowKey, AtomCells] = field(default_factory=dict)
    _risen: dict[tuple[RowKey, Columns], Ints] = field(default_factory=dict)
    """The same, for what all counters of a page gained at once."""
    _flushing: dict[RowKey, AtomCells] = field(default_factory=dict)
    _rows: dict[RowKey, AtomCells] = field(default_factory=dict)
    _dumped: bytes = b""
    _changed: bool = False
    _last_span: Span | None = None
    _stillness: Stillness = field(default_factory=Stillness)

    def __post_init__(self) -> None:
        if self.checkpoint.state is not None:
            self._restore(self.checkpoint.state)

    def discovered(self, now: float) -> None:
        """The target is expected from now on, unless a checkpoint already says since when."""
        if self.expected_until is None:
            self.expected_until = now
            self.covered_until = max(now, self.covered_until or now)
        self._changed = True

    def left(self, now: float) -> None:
        """The target has left discovery: it is not expected until it is discovered again."""
        self._expect(now, now)
        self.expected_until = None

    def accept(self, counted: CountedPage, now: float) -> Outcome:
        """Count a good scrape."""
        page = counted.page
        if counted.since is None:
            step = advance(self.state, page, self.watched_since, self.covered_until)
        else:
            step = added(self.state, page, counted.since)
        worked = _worked(counted.layout, step)
        frozen = self._stillness.look(page.time, counted.gauges, moved=worked)
        self._remember_groups(counted.layout.coverage)
        self._expect(page.time, now)
        self._count(counted.layout, step.increments, now)
        if step.rise is not None:
            self._count_all(step.rise, now)
        if not frozen:
            self._cover(counted, step, now)
        self.state = step.state
        return Outcome(
            worked or _rests(counted),
            step.sawtooth,
            step.not_monotonic,
            step.relabelled,
            step.overtook,
            frozen,
            _finished(counted.layout, step),
        )

    def miss(self, time: float, now: float) -> None:
        """An attempt failed: the time was expected, and is not covered unless the same process answers again."""
        self._expect(time, now)

    def _count(self, layout: Layout, increments: Sequence[Increment], now: float) -> None:
        columns = layout.columns
        for gained in increments:
            span = self._span(gained.begin, gained.end, now)
            cells = cells_of(gained.values) if len(gained.values) > 1 else gained.values
            for atom in columns.slots[columns.index[gained.key]].atoms:
                for cell, n in enumerate(cells):
                    if n:
                        self._add(atom, cell, n, span)

    def _count_all(self, rise: Rise, now: float) -> None:
        cells = rise.columns.cells(rise.gained)
        for key, part in self._span(rise.begin, rise.end, now).place_all(cells):
            at = key, rise.columns
            known = self._risen.get(at)
            total = part if known is None else known + part
            if total.min(initial=0) < 0:  # over 64 bits together: settled counts are Python's
                self._settle_risen()
                total = part
            self._risen[at] = total

    def _settle_risen(self) -> None:
        """Add what all counters gained, cell by cell, to what waits for a flush."""
        for (key, columns), cells in self._risen.items():
            columns.feed(cells, self._pending.setdefault(key, {}))
        self._risen = {}

    def _cover(self, counted: CountedPage, step: Advance, now: float) -> None:
        end = counted.page.time
        begin = max(step.covered_from, self.covered_until or step.covered_from)
        if step.sawtooth or end <= begin:
            return
        self.covered_until = end
        span = self._span(begin, end, now)
        self._target_time(Mark.COVERED, span)
        if end - step.covered_from > SPREAD_INTERVALS * self.interval:
            self._target_time(Mark.SPREAD, span)
        self._hold(counted, span)

    def _hold(self, counted: CountedPage, span: Span) -> None:
        """Gauges and GPU time count by how long they held."""
        for atom, value in counted.gauges:
            bounds = atom.measure.bounds
            assert bounds is not None
            self._add(atom, cell_of(bounds, value), span.milliseconds, span)
        for atom in counted.layout.times:
            self._add(atom, 0, span.milliseconds, span)
            cost = int(span.milliseconds * self.gpu_microdollars_per_hour / 3_600_000)
            if cost:
                self._add(Atom(Measure("cost", atom.measure.layer), atom.group), 0, cost, span)

    def _expect(self, time: float, now: float) -> None:
        if self.expected_until is None:
            self.discovered(time)
        since = self.expected_until
        self._changed = True
        if since is None or time <= since or not self.coverage:
            return  # until a page has told the groups, the time waits for them
        self._target_time(Mark.EXPECTED, self._span(since, time, now))
        self.expected_until = time

    def _target_time(self, mark: Mark, span: Span) -> None:
        for family in self.coverage:
            for atom in _time_atoms(family, mark):
                self._add(atom, 0, span.milliseconds, span)

    def _remember_groups(self, families: Sequence[Coverage]) -> None:
        """A family without groups on this page keeps those it last had; so do the signals of a page that has none."""
        old = {(family.of, family.layer): family.groups for family in self.coverage}
        silent = self._signals() if self.state is not None and all(f.of for f in families) else []
        kept = [f if f.groups else f._replace(groups=old.get((f.of, f.layer), f.groups)) for f in families]
        self.coverage = (*silent, *kept)

    def _signals(self) -> list[Coverage]:
        return [family for family in self.coverage if not family.of]

    def _span(self, begin: float, end: float, now: float) -> Span:
        """Nearly all that a page adds is of one span."""
        if self._last_span is None or self._last_span.times != (begin, end, now):
            self._last_span = Span(begin, end, now)
        return self._last_span

    def _add(self, atom: Atom, cell: int, n: int, span: Span) -> None:
        for key, part in span.place(n):
            into = self._pending.setdefault(key, {})
            into[atom, cell] = into.get((atom, cell), 0) + part

    # What is committed, and what became of it.

    def go_on_from(self, values: Mapping[str, Last]) -> None:
        """Take over counters that another source has counted so far; those that are known here stay."""
        if self.state is not None:
            self.state = self.state._replace(away={**_others(values, self.state.counters), **self.state.away})
            self._changed = True

    def begin_flush(self) -> list[RowKey] | None:
        """Set apart what is to be committed; returns the rows that must be read first, since an earlier process may
        have written them. None when nothing changed."""
        if not self._changed:
            return None
        self._changed = False
        self._settle_risen()
        self._flushing, self._pending = self._pending, {}
        self._dumped = self._dump()
        return [key for key in self._flushing if key not in self._rows] if self.checkpoint.version else []

    def flush(self, loaded: Mapping[RowKey, AtomCells]) -> SourceFlush:
        """What was set apart, as absolute content over what was there."""
        rows = {key: _plus(self._rows.get(key) or loaded.get(key, {}), part) for key, part in self._flushing.items()}
        return SourceFlush(self.checkpoint, self._dumped, rows)

    def committed(self, flush: SourceFlush, checkpoint: Checkpoint) -> None:
        """The flush is in the ledger."""
        self.checkpoint = checkpoint
        self._flushing = {}
        self._rows.update(flush.rows)
        newest = max((key.bucket for key in self._rows), default=0)
        horizon = newest - _KEEP_BUCKETS * MINUTES.width
        self._rows = {key: row for key, row in self._rows.items() if key.bucket >= horizon}

    def failed(self) -> None:
        """The flush was not written: its content goes with the next one."""
        for key, part in self._flushing.items():
            self._pending[key] = _plus(self._pending.get(key, {}), part)
        self._flushing = {}
        self._changed = True

    def lost(self, checkpoint: Checkpoint) -> None:
        """Another writer has counted this target: drop what was not committed and go on from its checkpoint."""
        self.checkpoint = checkpoint
        self.state, self.expected_until, self.covered_until = None, None, None
        self._pending, self._risen, self._flushing, self._rows = {}, {}, {}, {}
        self._changed = False
        if checkpoint.state is not None:
            self._restore(checkpoint.state)

    def _dump(self) -> bytes:
        state = self.state
        document = {
            "expected_until": self.expected_until,
            "covered_until": self.covered_until,
            "watched_since": self.watched_since,
            "coverage": [[f.of, f.layer, sorted(f.groups)] for f in self.coverage],
            "state": None
            if state is None
            else {
                "time": state.time,
                "process_start": state.process_start,
                "complete": state.complete,
                "revision": state.revision,
                "falls": state.falls,
                "counters": {key: [last.values, last.created, last.seen] for key, last in _singly(state).items()},
                "table": state.counters.dump() if isinstance(state.counters, Table) else None,
            },
        }
        return zstandard.ZstdCompressor(level=1).compress(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))

    def _restore(self, blob: bytes) -> None:
        document = orjson.loads(zstandard.ZstdDecompressor().decompress(blob))
        self.expected_until, self.covered_until = document["expected_until"], document["covered_until"]
        self.watched_since = min(self.watched_since, document["watched_since"])
        self.coverage = tuple(
            Coverage(of, layer, frozenset(_group(group) for group in groups))
            for of, layer, groups in document["coverage"]
        )
        saved = document["state"]
        if saved is not None:
            last = {
                key: Last(tuple(values), created, seen) for key, (values, created, seen) in saved["counters"].items()
            }
            shown = {key: Reading(one.values, one.created) for key, one in last.items() if one.seen == saved["time"]}
            shown |= readings(saved["table"]) if saved.get("table") else {}
            self.state = TargetState(
                saved["time"],
                saved["process_start"],
                saved["complete"],
                saved["revision"],
                shown,
                tuple(saved["falls"]),
                _others(last, shown),
            )


def _finished(layout: Layout, step: Advance) -> int:
    """Requests that ended well since the last page."""
    if step.rise is not None:
        return int(step.rise.gained[layout.ended_well].sum())
    return sum(gained.values[-1] for gained in step.increments if gained.key in layout.finished)


def _rests(counted: CountedPage) -> bool:
    """Whether nothing waits, or nothing tells of work."""
    waiting = any(value > 0 for atom, value in counted.gauges if atom.measure.name == "queue_depth")
    return not waiting or not counted.layout.work


def _worked(layout: Layout, step: Advance) -> bool:
    """Whether work was finished since the last page, or a process began."""
    if step.rise is not None:
        return bool(step.rise.gained[layout.worked].any())
    return not step.survived or any(gained.key in layout.work for gained in step.increments)


@lru_cache(_FAMILIES)
def _time_atoms(family: Coverage, mark: Mark) -> tuple[Atom, ...]:
    attrs = (("of", family.of), ("state", mark.value)) if family.of else (("state", mark.value),)
    measure = Measure(TARGET_TIME, family.layer, attrs)
    return tuple(Atom(measure, group) for group in family.groups)


def _singly(state: TargetState) -> Mapping[str, Last]:
    """What a checkpoint holds counter by counter: all of them, or those beside a table."""
    return state.away if isinstance(state.counters, Table) else state.every()


def _others(counters: Mapping[str, Last], known: Container[str]) -> dict[str, Last]:
    return {key: last for key, last in counters.items() if key not in known}


def _group(pairs: Iterable[Sequence[str]]) -> Group:
    return tuple((name, value) for name, value in pairs)


def _plus(left: Mapping[tuple[Atom, int], int], right: Mapping[tuple[Atom, int], int]) -> AtomCells:
    result = dict(left)
    for key, n in right.items():
        result[key] = result.get(key, 0) + n
    return result
