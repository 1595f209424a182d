"""Two weeks of the whole fleet by hour, read from the ledger's hour roll-ups.

An hour's blob is decoded once and kept until its content changes: a month of history costs what its newest hour costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import select

from core.buckets import HOURS, start_of
from core.durations import DAY
from core.measures import TARGET_TIME, Group
from core.signals import LAYERS
from dashboard.filters import Filters
from storage.database import Database
from storage.ledger import cells as cells_codec
from storage.ledger.dictionary import Atom, Dictionary
from storage.tables import rollup

WEEK = 7 * DAY
_SHOWN = ("requests", "cost", "gpu_time")


@dataclass
class Sums:
    """Counts of some hours. `seen`: hours of which the ledger knows anything; `cost` in micro-dollars, None: no row."""

    good: int = 0
    bad: int = 0
    expected: int = 0
    covered: int = 0
    cost: int | None = None
    gpu_ms: int | None = None
    seen: int = 0

    def add(self, other: Sums) -> None:
        """Take in other hours."""
        self.good += other.good
        self.bad += other.bad
        self.expected += other.expected
        self.covered += other.covered
        self.seen += other.seen
        self.cost = _both(self.cost, other.cost)
        self.gpu_ms = _both(self.gpu_ms, other.gpu_ms)

    @property
    def total(self) -> int:
        """Good and bad requests."""
        return self.good + self.bad

    @property
    def rate(self) -> float | None:
        """Requests a second over the hours that are known; None without any."""
        return self.total / (self.seen * HOURS.width) if self.seen else None

    @property
    def availability(self) -> float | None:
        """Share of good requests; None without requests."""
        return self.good / self.total if self.total else None

    @property
    def coverage(self) -> float | None:
        """Covered share of the target-time that was expected; None where none was."""
        return min(1.0, self.covered / self.expected) if self.expected else None


def _both(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


Hour = Mapping[Group, Sums]


class History(NamedTuple):
    """Complete hours up to `end` (Unix seconds); `hours` by their start, those that the ledger knows."""

    end: int = 0
    hours: Mapping[int, Hour] = {}

    def week(self, filters: Filters, back: int = 0) -> Sums:
        """The seven days before `end`, or `back` weeks before these."""
        end = self.end - back * WEEK
        return total(hour for at, hour in self.by_hour(filters).items() if end - WEEK <= at < end)

    def by_hour(self, filters: Filters) -> dict[int, Sums]:
        """Every known hour of the groups that are meant, oldest first."""
        found = {at: [sums for group, sums in hour.items() if filters.covers(dict(group))] for at, hour in self._sorted}
        return {at: _hour(parts) for at, parts in found.items() if parts}

    @property
    def _sorted(self) -> list[tuple[int, Hour]]:
        return sorted(self.hours.items())


def total(parts: Iterable[Sums]) -> Sums:
    """All parts together."""
    made = Sums()
    for part in parts:
        made.add(part)
    return made


def _hour(parts: Sequence[Sums]) -> Sums:
    made = total(parts)
    made.seen = 1
    return made


@dataclass
class HistoryReader:
    """Reads the two weeks before the watermark; may be used by several threads."""

    database: Database
    _dictionary: Dictionary = field(default_factory=Dictionary)
    _layers: dict[str, str] = field(default_factory=dict)
    _hours: dict[int, tuple[tuple[bytes, bytes], Hour]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def read(self, watermark: float | None) -> History:
        """Complete hours; the running one is left out, as half an hour is no hour."""
        if watermark is None:
            return History()
        end = start_of(watermark, HOURS.width)
        with self._lock:
            return History(end, self._decode(self._rows(end - 2 * WEEK, end)))

    def _rows(self, start: int, end: int) -> Sequence[Any]:
        inside = (rollup.c.width == HOURS.width, rollup.c.bucket >= start, rollup.c.bucket < end)
        with self.database.read() as connection:
            return connection.execute(select(rollup.c.bucket, rollup.c.direct, rollup.c.fine).where(*inside)).all()

    def _decode(self, rows: Sequence[Any]) -> dict[int, Hour]:
        blobs = {row.bucket: (row.direct, row.fine) for row in rows}
        changed = {at: both for at, both in blobs.items() if self._hours.get(at, (None,))[0] != both}
        decoded = {at: [cells_codec.decode(blob) for blob in both] for at, both in changed.items()}
        ids = {id_ for parts in decoded.values() for cells in parts for id_, _ in cells}
        atoms = {id_: atom for id_ in ids if _is_shown(atom := self._dictionary.atom(self.database, id_))}
        if self._learn_layers(atoms.values()):
            self._hours.clear()
            return self._decode(rows)
        for at, parts in decoded.items():
            self._hours[at] = (changed[at], self._sums(parts, atoms))
        self._hours = {at: kept for at, kept in self._hours.items() if at in blobs}
        return {at: hour for at, (_, hour) in self._hours.items()}

    def _learn_layers(self, atoms: Iterable[Atom]) -> bool:
        """Note the outermost layer of each signal; true when one that was in use is replaced."""
        replaced = False
        for measure in {atom.measure for atom in atoms}:
            known = self._layers.get(measure.name)
            if measure.layer in LAYERS and (known is None or LAYERS.index(measure.layer) < LAYERS.index(known)):
                replaced = replaced or known is not None
                self._layers[measure.name] = measure.layer
        return replaced

    def _sums(self, parts: Iterable[cells_codec.Cells], atoms: Mapping[int, Atom]) -> Hour:
        hour: dict[Group, Sums] = {}
        for cells in parts:
            for (id_, _), n in cells.items():
                atom = atoms.get(id_)
                if atom is not None and atom.measure.layer == self._layer_of(atom):
                    _count(hour.setdefault(atom.group, Sums()), atom, n)
        return hour

    def _layer_of(self, atom: Atom) -> str | None:
        name = atom.measure.name
        return self._layers.get("requests" if name == TARGET_TIME else name)


def _is_shown(atom: Atom) -> bool:
    measure = atom.measure
    return measure.name in _SHOWN or (measure.name == TARGET_TIME and "of" not in dict(measure.attrs))


def _count(sums: Sums, atom: Atom, n: int) -> None:
    name, attrs = atom.measure.name, dict(atom.measure.attrs)
    if name == "cost":
        sums.cost = (sums.cost or 0) + n
    elif name == "gpu_time":
        sums.gpu_ms = (sums.gpu_ms or 0) + n
    elif name == "requests":
        sums.good += n if attrs.get("outcome") == "good" else 0
        sums.bad += n if attrs.get("outcome") == "bad" else 0
    else:
        sums.expected += n if attrs.get("state") == "expected" else 0
        sums.covered += n if attrs.get("state") == "covered" else 0
