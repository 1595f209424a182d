"""Requests, first-token times and gauges of an hour by minute and group, read from the ledger's roll-ups.

A bucket's blob is decoded once and kept until its content changes, so a refresh costs one query over 60 rows.
An hour in the past is read from the widest buckets that are kept no longer than needed, with a longer window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import select

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, start_of
from core.durations import DAY, HOUR, MINUTE
from core.histogram import quantile
from core.measures import TARGET_TIME, Group, Measure, project
from core.signals import LAYERS
from dashboard.cells import ByBounds, Range, mean_range, merged, quantile_range, take_in
from dashboard.filters import Filters
from storage.database import Database
from storage.ledger import cells as cells_codec
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import rollup

SEEN = 0.5
"""Below this share of covered target-time a rate would be that of the targets which happen to answer."""
LIVE = HOUR
"""A moment less long ago than this is inside the window that ends now."""
AFTER = 15 * MINUTE
"""How much of what followed a moment in the past is shown with it."""
_WINDOWS = ((MINUTES, HOUR), (FIVE_MINUTES, 6 * HOUR), (HOURS, 2 * DAY))
"""How long a window is read from each width: about as many points, and the next when the narrower are deleted."""


class Window(NamedTuple):
    """Buckets of `width` seconds in [start, end), Unix seconds; `live`: it ends at the watermark."""

    width: int
    start: int
    end: int
    live: bool = True


def window(watermark: float, at: float | None = None) -> Window:
    """The hour before the watermark, or a window that ends AFTER a moment which is further back than that."""
    if at is None or at > watermark - LIVE:
        end = start_of(watermark, MINUTES.width)
        return Window(MINUTES.width, end - HOUR, end)
    until = min(watermark, at + AFTER)
    kept = ((tier, length) for tier, length in _WINDOWS if watermark - (until - length) < tier.retention)
    tier, length = next(kept, _WINDOWS[-1])
    end = -int(-until // tier.width) * tier.width
    return Window(tier.width, end - length, end, live=False)


@dataclass
class Tally:
    """What one group did in one bucket of `seconds`: requests, target-milliseconds, and cells by their bounds.

    `ttft` counts requests by seconds; `queue` (requests that wait) and `gpu` (share in use) are target-milliseconds.
    """

    good: int = 0
    bad: int = 0
    expected: int = 0
    covered: int = 0
    ttft: ByBounds = field(default_factory=dict)
    queue: ByBounds = field(default_factory=dict)
    gpu: ByBounds = field(default_factory=dict)
    seconds: int = MINUTES.width

    def add(self, other: Tally) -> None:
        """Take in another group's bucket of the same width."""
        self.good += other.good
        self.bad += other.bad
        self.expected += other.expected
        self.covered += other.covered
        self.seconds = other.seconds
        for mine, theirs in ((self.ttft, other.ttft), (self.queue, other.queue), (self.gpu, other.gpu)):
            take_in(mine, theirs)

    @property
    def total(self) -> int:
        """Good and bad requests; what a client aborted is neither."""
        return self.good + self.bad

    @property
    def rate(self) -> float | None:
        """Requests a second; None where too little of the group was seen to tell."""
        unseen = self.covered < SEEN * self.expected if self.expected else not self.total
        return None if unseen else self.total / self.seconds

    @property
    def bad_share(self) -> float | None:
        """Bad requests among all; None without requests."""
        return self.bad / self.total if self.total else None

    def ttft_quantile(self, q: float) -> float | None:
        """Seconds, estimated over the bounds that all histograms share; None without observations."""
        return quantile(q, *merged(self.ttft))

    def ttft_range(self, q: float) -> Range | None:
        """The same with the bounds between which it lies."""
        return quantile_range(q, self.ttft)

    @property
    def queue_depth(self) -> Range | None:
        """Requests that wait at a target, on average; None where no target tells."""
        return mean_range(self.queue, step=1.0)

    @property
    def gpu_share(self) -> Range | None:
        """Share of the time that a GPU was busy, on average; None where nothing tells."""
        return mean_range(self.gpu)


_CELLS = {"ttft": "ttft", "queue_depth": "queue", "gpu_utilisation": "gpu"}
"""Signals with cells that are shown, and the field that they are kept in."""

Minute = Mapping[Group, Tally]


class Traffic(NamedTuple):
    """`minutes`: starts of the complete buckets of `width` seconds, oldest first; `tallies`: what is known of them."""

    minutes: Sequence[int] = ()
    tallies: Mapping[int, Minute] = {}
    width: int = MINUTES.width
    live: bool = True


class Line(NamedTuple):
    """One group over the minutes; `tallies` has one entry a minute, None where the ledger says nothing."""

    group: Group
    tallies: Sequence[Tally | None]

    @property
    def total(self) -> int:
        """All requests of the line."""
        return sum(tally.total for tally in self.tallies if tally is not None)


def lines(traffic: Traffic, by: tuple[str, ...], filters: Filters, most: int) -> tuple[list[Line], int]:
    """The busiest groups by these dimensions, busiest first, and how many groups there are in all."""
    found: dict[Group, dict[int, Tally]] = {}
    for minute, tallies in traffic.tallies.items():
        for group, tally in tallies.items():
            if filters.covers(dict(group)):
                found.setdefault(project(group, by), {}).setdefault(minute, Tally()).add(tally)
    drawn = [Line(group, [own.get(minute) for minute in traffic.minutes]) for group, own in found.items()]
    drawn.sort(key=lambda line: (-line.total, line.group))
    return drawn[:most], len(drawn)


class TrafficReader:
    """Reads the hour before the watermark, or one in the past; may be used by several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._dictionary = Dictionary()
        self._layers: dict[str, str] = {}
        self._minutes: dict[tuple[int, int], tuple[tuple[bytes, bytes], Minute]] = {}
        self._lock = Lock()

    def read(self, watermark: float | None, at: float | None = None) -> Traffic:
        """The complete buckets of `window`."""
        if watermark is None:
            return Traffic()
        wanted = window(watermark, at)
        with self._lock:
            tallies = self._tallies(wanted, self._rows(wanted))
        return Traffic(range(wanted.start, wanted.end, wanted.width), tallies, wanted.width, wanted.live)

    def _rows(self, wanted: Window) -> Sequence[Any]:
        inside = (rollup.c.width == wanted.width, rollup.c.bucket >= wanted.start, rollup.c.bucket < wanted.end)
        query = select(rollup.c.bucket, rollup.c.direct, rollup.c.fine).where(*inside).order_by(rollup.c.bucket)
        with self._db.read() as connection:
            return connection.execute(query).all()

    def _tallies(self, wanted: Window, rows: Sequence[Any]) -> dict[int, Minute]:
        blobs = {(wanted.width, row.bucket): (row.direct, row.fine) for row in rows}
        changed = {key: both for key, both in blobs.items() if self._minutes.get(key, (None,))[0] != both}
        decoded = {key: cells_codec.total(map(cells_codec.decode, both)) for key, both in changed.items()}
        atoms = {id_: self._dictionary.atom(self._db, id_) for cells in decoded.values() for id_, _ in cells}
        if self._learn_layers(atoms.values()):
            # A layer further out has appeared: what was counted in an inner one counts there no more.
            self._minutes.clear()
            return self._tallies(wanted, rows)
        for key, cells in decoded.items():
            self._minutes[key] = (changed[key], self._tally(cells, atoms, wanted.width))
        if wanted.live:
            self._minutes = {key: kept for key, kept in self._minutes.items() if key in blobs}
        return {key[1]: self._minutes[key][1] for key in blobs}

    def _learn_layers(self, atoms: Iterable[Atom]) -> bool:
        """Note the outermost layer of each signal; true when one that was in use is replaced."""
        replaced = False
        for atom in atoms:
            name, layer = atom.measure.name, atom.measure.layer
            known = self._layers.get(name)
            if layer in LAYERS and (known is None or LAYERS.index(layer) < LAYERS.index(known)):
                replaced = replaced or known is not None
                self._layers[name] = layer
        return replaced

    def _tally(self, cells: cells_codec.Cells, atoms: Mapping[int, Atom], width: int) -> Minute:
        minute: dict[Group, Tally] = {}
        for (series_id, cell), n in cells.items():
            measure, group = atoms[series_id].measure, atoms[series_id].group
            tally = minute.get(group) or Tally(seconds=width)
            if measure.name == TARGET_TIME:
                taken = measure.layer == self._layers.get("requests") and _take_time(tally, measure, n)
            else:
                taken = measure.layer == self._layers.get(measure.name) and _take(tally, measure, cell, n)
            if taken:
                minute[group] = tally
        return minute


def _take_time(tally: Tally, measure: Measure, n: int) -> bool:
    attrs = dict(measure.attrs)
    if "of" in attrs:
        return False
    tally.expected += n if attrs.get("state") == "expected" else 0
    tally.covered += n if attrs.get("state") == "covered" else 0
    return True


def _take(tally: Tally, measure: Measure, cell: int, n: int) -> bool:
    """Count what the pages show of a measure; false for all others."""
    if measure.name == "requests":
        outcome = dict(measure.attrs).get("outcome")
        tally.good += n if outcome == "good" else 0
        tally.bad += n if outcome == "bad" else 0
        return True
    if measure.name not in _CELLS or measure.bounds is None:
        return False
    held: ByBounds = getattr(tally, _CELLS[measure.name])
    held.setdefault(measure.bounds, [0] * measure.cells)[cell] += n
    return True
