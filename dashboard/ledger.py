"""Requests and first-token times of the last hour by minute and group, read from the ledger's roll-ups.

A minute's blob is decoded once and kept until its content changes, so a refresh costs one query over 60 rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import select

from core.buckets import MINUTES, start_of
from core.durations import HOUR
from core.histogram import Bounds, coarsen, common_bounds, quantile
from core.measures import TARGET_TIME, Group, project
from core.signals import LAYERS
from dashboard.filters import Filters
from storage.database import Database
from storage.ledger import cells as cells_codec
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import rollup

SEEN = 0.5
"""Below this share of covered target-time a rate would be that of the targets which happen to answer."""


@dataclass
class Tally:
    """What one group did in one minute: requests, target-milliseconds, and TTFT cells by their bounds."""

    good: int = 0
    bad: int = 0
    expected: int = 0
    covered: int = 0
    ttft: dict[Bounds, list[int]] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Take in another group's minute."""
        self.good += other.good
        self.bad += other.bad
        self.expected += other.expected
        self.covered += other.covered
        for bounds, cells in other.ttft.items():
            mine = self.ttft.setdefault(bounds, [0] * len(cells))
            self.ttft[bounds] = [a + b for a, b in zip(mine, cells, strict=True)]

    @property
    def total(self) -> int:
        """Good and bad requests; what a client aborted is neither."""
        return self.good + self.bad

    @property
    def rate(self) -> float | None:
        """Requests a second; None where too little of the group was seen to tell."""
        unseen = self.covered < SEEN * self.expected if self.expected else not self.total
        return None if unseen else self.total / MINUTES.width

    @property
    def bad_share(self) -> float | None:
        """Bad requests among all; None without requests."""
        return self.bad / self.total if self.total else None

    def ttft_quantile(self, q: float) -> float | None:
        """Seconds, estimated over the bounds that all histograms share; None without observations."""
        if not self.ttft:
            return None
        shared = next(iter(self.ttft))
        for bounds in self.ttft:
            shared = common_bounds(shared, bounds)
        merged = [coarsen(bounds, cells, shared) for bounds, cells in self.ttft.items()]
        return quantile(q, shared, [sum(column) for column in zip(*merged, strict=True)])


Minute = Mapping[Group, Tally]


class Traffic(NamedTuple):
    """`minutes`: starts of the complete minutes of the hour, oldest first; `tallies`: what is known of them."""

    minutes: Sequence[int] = ()
    tallies: Mapping[int, Minute] = {}


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
    """Reads the hour before the watermark; may be used by several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._dictionary = Dictionary()
        self._layers: dict[str, str] = {}
        self._minutes: dict[int, tuple[tuple[bytes, bytes], Minute]] = {}
        self._lock = Lock()

    def read(self, watermark: float | None) -> Traffic:
        """The complete minutes of the hour that ends at the watermark."""
        if watermark is None:
            return Traffic()
        end = start_of(watermark, MINUTES.width)
        start = end - HOUR
        with self._lock:
            tallies = self._tallies(self._rows(start, end))
        return Traffic(range(start, end, MINUTES.width), tallies)

    def _rows(self, start: int, end: int) -> Sequence[Any]:
        hour = (rollup.c.width == MINUTES.width, rollup.c.bucket >= start, rollup.c.bucket < end)
        query = select(rollup.c.bucket, rollup.c.direct, rollup.c.fine).where(*hour).order_by(rollup.c.bucket)
        with self._db.read() as connection:
            return connection.execute(query).all()

    def _tallies(self, rows: Sequence[Any]) -> dict[int, Minute]:
        blobs = {row.bucket: (row.direct, row.fine) for row in rows}
        changed = {at: both for at, both in blobs.items() if self._minutes.get(at, (None,))[0] != both}
        decoded = {at: cells_codec.total(map(cells_codec.decode, both)) for at, both in changed.items()}
        atoms = {id_: self._dictionary.atom(self._db, id_) for cells in decoded.values() for id_, _ in cells}
        if self._learn_layers(atoms.values()):
            # A layer further out has appeared: what was counted in an inner one counts there no more.
            self._minutes.clear()
            return self._tallies(rows)
        for at, cells in decoded.items():
            self._minutes[at] = (changed[at], self._tally(cells, atoms))
        self._minutes = {at: kept for at, kept in self._minutes.items() if at in blobs}
        return {at: minute for at, (_, minute) in self._minutes.items()}

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

    def _tally(self, cells: cells_codec.Cells, atoms: Mapping[int, Atom]) -> Minute:
        minute: dict[Group, Tally] = {}
        for (series_id, cell), n in cells.items():
            measure, group = atoms[series_id]
            attrs = dict(measure.attrs)
            tally = minute.get(group) or Tally()
            if measure.name == TARGET_TIME and "of" not in attrs and measure.layer == self._layers.get("requests"):
                tally.expected += n if attrs.get("state") == "expected" else 0
                tally.covered += n if attrs.get("state") == "covered" else 0
            elif measure.layer != self._layers.get(measure.name):
                continue
            elif measure.name == "requests":
                tally.good += n if attrs.get("outcome") == "good" else 0
                tally.bad += n if attrs.get("outcome") == "bad" else 0
            elif measure.name == "ttft" and measure.bounds is not None:
                tally.ttft.setdefault(measure.bounds, [0] * measure.cells)[cell] += n
            else:
                continue
            minute[group] = tally
        return minute
