"""One source's counting: pages go in, bucket rows and a checkpoint come out. No input or output of its own.

`accept` and `miss` are called for every attempt to scrape; `begin_flush` and `flush` hand out what has to be committed,
and `committed`, `failed` or `lost` say what became of it. What is accepted between a flush and its outcome is kept
apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import orjson
import zstandard

from collector.increments import Advance, Increment, Last, Page, TargetState, advance, cells_of
from collector.measures import Coverage, Layout
from core.buckets import MINUTES, spread, start_of, tier_of_age
from core.histogram import cell_of
from core.measures import TARGET_TIME, Group, Measure
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush

SPREAD_INTERVALS = 3
"""A span over more scrape intervals than this fills its buckets with an even spread that nobody saw."""
_PROGRESS = ("requests", "generation_tokens")
"""Signals that move while an engine works."""
_KEEP_BUCKETS = 3
"""Rows of the last minutes stay in memory, since the next scrape adds to them; older ones are read again if needed."""


class Mark(Enum):
    """States of target-time."""

    EXPECTED = "expected"
    COVERED = "covered"
    SPREAD = "spread"


class CountedPage(NamedTuple):
    """A good scrape as the counter takes it."""

    page: Page
    layout: Layout
    gauges: tuple[tuple[Atom, float], ...]


class Outcome(NamedTuple):
    """What a page did: for target health. `progressed`: tokens or requests were finished, nothing was waiting,
    or the process has only begun."""

    progressed: bool
    sawtooth: bool
    not_monotonic: tuple[str, ...]


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
    _flushing: dict[RowKey, AtomCells] = field(default_factory=dict)
    _rows: dict[RowKey, AtomCells] = field(default_factory=dict)
    _dumped: bytes = b""
    _changed: bool = False

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
        step = advance(self.state, page, self.watched_since, self.covered_until)
        self._remember_groups(counted.layout.coverage)
        self._expect(page.time, now)
        self._count(counted.layout, step.increments, now)
        self._cover(counted, step, now)
        self.state = step.state
        return Outcome(_progressed(counted, step), step.sawtooth, step.not_monotonic)

    def miss(self, time: float, now: float) -> None:
        """An attempt failed: the time was expected, and is not covered unless the same process answers again."""
        self._expect(time, now)

    def _count(self, layout: Layout, increments: Sequence[Increment], now: float) -> None:
        slots = {slot.key: slot for slot in layout.counters}
        for gained in increments:
            atoms = slots[gained.key].atoms
            cells = cells_of(gained.values) if len(gained.values) > 1 else list(gained.values)
            for cell, n in enumerate(cells):
                if n:
                    for atom in atoms:
                        self._add(atom, cell, n, gained.begin, gained.end, now)

    def _cover(self, counted: CountedPage, step: Advance, now: float) -> None:
        end = counted.page.time
        begin = max(step.covered_from, self.covered_until or step.covered_from)
        if step.sawtooth or end <= begin:
            return
        self.covered_until = end
        stretched = end - step.covered_from > SPREAD_INTERVALS * self.interval
        self._target_time(Mark.COVERED, begin, end, now)
        if stretched:
            self._target_time(Mark.SPREAD, begin, end, now)
        length = _ms(end) - _ms(begin)
        for atom, value in counted.gauges:
            bounds = atom.measure.bounds
            assert bounds is not None
            self._add(atom, cell_of(bounds, value), length, begin, end, now)
        for atom in counted.layout.times:
            self._add(atom, 0, length, begin, end, now)
            cost = int(length * self.gpu_microdollars_per_hour / 3_600_000)
            if cost:
                self._add(Atom(Measure("cost", atom.measure.layer), atom.group), 0, cost, begin, end, now)

    def _expect(self, time: float, now: float) -> None:
        if self.expected_until is None:
            self.discovered(time)
        since = self.expected_until
        self._changed = True
        if since is None or time <= since or not self.coverage:
            return  # until a page has told the groups, the time waits for them
        self._target_time(Mark.EXPECTED, since, time, now)
        self.expected_until = time

    def _target_time(self, mark: Mark, begin: float, end: float, now: float) -> None:
        for family in self.coverage:
            attrs = (("of", family.of), ("state", mark.value)) if family.of else (("state", mark.value),)
            measure = Measure(TARGET_TIME, family.layer, attrs)
            for group in family.groups:
                self._add(Atom(measure, group), 0, _ms(end) - _ms(begin), begin, end, now)

    def _remember_groups(self, families: Sequence[Coverage]) -> None:
        """A family without groups on this page keeps those it last had; so do the signals of a page that has none."""
        old = {family.of: family for family in self.coverage}
        silent = [old[""]] if self.state is not None and "" in old and all(f.of for f in families) else []
        kept = [f if f.groups or f.of not in old else f._replace(groups=old[f.of].groups) for f in families]
        self.coverage = (*silent, *kept)

    def _add(self, atom: Atom, cell: int, n: int, begin: float, end: float, now: float) -> None:
        for key, part in place(n, begin, end, now):
            into = self._pending.setdefault(key, {})
            into[atom, cell] = into.get((atom, cell), 0) + part

    # What is committed, and what became of it.

    def go_on_from(self, values: Mapping[str, Last]) -> None:
        """Take over counters that another source has counted so far; those that are known here stay."""
        if self.state is not None:
            self.state = replace(self.state, counters={**values, **self.state.counters})
            self._changed = True

    def begin_flush(self) -> list[RowKey] | None:
        """Set apart what is to be committed; returns the rows that must be read first, since an earlier process may
        have written them. None when nothing changed."""
        if not self._changed:
            return None
        self._changed = False
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
        self._pending, self._flushing, self._rows = {}, {}, {}
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
                "counters": {key: [last.values, last.created, last.seen] for key, last in state.counters.items()},
            },
        }
        return zstandard.ZstdCompressor(level=1).compress(orjson.dumps(document))

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
            counters = {
                key: Last(tuple(values), created, seen) for key, (values, created, seen) in saved["counters"].items()
            }
            self.state = TargetState(
                saved["time"],
                saved["process_start"],
                saved["complete"],
                saved["revision"],
                counters,
                tuple(saved["falls"]),
            )


def _progressed(counted: CountedPage, step: Advance) -> bool:
    waiting = any(value > 0 for atom, value in counted.gauges if atom.measure.name == "queue_depth")
    work = {slot.key for slot in counted.layout.counters if any(a.measure.name in _PROGRESS for a in slot.atoms)}
    began_anew = not step.survived
    return began_anew or not waiting or not work or any(gained.key in work for gained in step.increments)


def _group(pairs: Iterable[Sequence[str]]) -> Group:
    return tuple((name, value) for name, value in pairs)


def _ms(time: float) -> int:
    return round(time * 1000)


def _plus(left: Mapping[tuple[Atom, int], int], right: Mapping[tuple[Atom, int], int]) -> AtomCells:
    result = dict(left)
    for key, n in right.items():
        result[key] = result.get(key, 0) + n
    return result


def place(n: int, begin: float, end: float, now: float) -> Iterable[tuple[RowKey, int]]:
    """Share events over buckets of the width that each bucket's age still has."""
    youngest, oldest = tier_of_age(end, now), tier_of_age(begin, now)
    if youngest is oldest:
        width = youngest.width
        for bucket, part in spread(n, _ms(begin), _ms(end), width):
            yield RowKey(width, bucket), part
        return
    for bucket, part in spread(n, _ms(begin), _ms(end), youngest.width):
        width = tier_of_age(bucket + youngest.width, now).width
        yield RowKey(width, start_of(bucket, width)), part
