"""A page's counters as whole numbers: one by one, or all of them in one array while a page keeps its shape.

A table stands for a mapping of its counters by key. The counter rules read it as that; where they have nothing to say
(the same counters of the same process, none fell) two tables are differenced at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from math import floor, isfinite
from operator import le, sub
from typing import Any, NamedTuple

import numpy as np
import orjson

from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells
from storage.series.arrays import Bools, Floats, Ints

LARGEST = 2**63 - 1
"""The ledger's and the checkpoint's integers have 64 bits; no real counter comes near."""
_ROUNDING = 1e-9
"""A scaled value that is below a whole number by this has lost it in the scaling."""

Values = tuple[int, ...]


class Reading(NamedTuple):
    """One counter on one page: its cumulative values (one, or a histogram's), and its `_created` time if it has one."""

    values: Values
    created: float | None = None


class CounterSlot(NamedTuple):
    """A raw counter: where its values stand on the page (a histogram has several) and what its increments feed."""

    key: str
    indices: tuple[int, ...]
    scale: float
    atoms: tuple[Atom, ...]
    created: int | None


class Columns:
    """The counters of one layout, value by value: a histogram's cumulative values stand side by side."""

    def __init__(self, slots: Sequence[CounterSlot]) -> None:
        self.slots = tuple(slots)
        lengths = [len(slot.indices) for slot in slots]
        self.firsts: Ints = np.cumsum([0, *lengths])
        """Where each counter's values begin; the last is how many there are."""
        self.inner: Bools = np.ones(int(self.firsts[-1]), np.bool_)
        self.inner[self.firsts[:-1]] = False
        self._at = np.array([index for slot in slots for index in slot.indices], np.int64)
        self._scales: Floats | None = None
        if any(slot.scale != 1.0 for slot in slots):
            self._scales = np.repeat([slot.scale for slot in slots], lengths)
        self._created = np.array([slot.created for slot in slots if slot.created is not None], np.int64)
        told = iter(range(len(self._created)))
        self.created = tuple(None if slot.created is None else next(told) for slot in slots)
        """Which of a table's `created` times is each counter's."""

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The counters' places by key."""
        return {slot.key: place for place, slot in enumerate(self.slots)}

    @cached_property
    def shape(self) -> orjson.Fragment:
        """Each counter's key, how many values it has, and whether it tells when it was created."""
        return orjson.Fragment(
            orjson.dumps([(slot.key, len(slot.indices), slot.created is not None) for slot in self.slots])
        )

    @cached_property
    def _feeds(self) -> list[tuple[tuple[Atom, int], ...]]:
        return [tuple((atom, cell) for atom in slot.atoms) for slot in self.slots for cell in range(len(slot.indices))]

    def read(self, page: Floats) -> Mapping[str, Reading]:
        """The counters of a page, `page` holding all of its values. One that is no number, or a histogram that shows
        more below a bound than above it, is left out, as if it were not there."""
        counts = self._whole(page[self._at])
        if counts is None:
            found = {slot.key: _reading(slot, page) for slot in self.slots}
            return {key: reading for key, reading in found.items() if reading is not None}
        return Table(self, counts, page[self._created])

    def _whole(self, raw: Floats) -> Ints | None:
        """All as whole numbers; None where one of them is no counter's."""
        if not len(raw) or not raw.min() >= 0:  # as NaN
            return None
        if self._scales is not None:
            raw = np.where(self._scales == 1.0, raw, raw * self._scales + _ROUNDING)
        if not raw.max() < LARGEST:
            return None
        counts = np.floor(raw).astype(np.int64)
        uneven = (counts[1:] < counts[:-1]) & self.inner[1:]
        return None if uneven.any() else counts

    def cells(self, gained: Ints) -> Ints:
        """Disjoint cells of what cumulative values gained; as `cells_of`, for all counters."""
        found = gained.copy()
        found[1:] -= gained[:-1] * self.inner[1:]
        if found.min(initial=0) < 0:
            for begin, end in zip(self.firsts[:-1].tolist(), self.firsts[1:].tolist(), strict=True):
                if found[begin:end].min() < 0:
                    found[begin:end] = cells_of(tuple(gained[begin:end].tolist()))
        return found

    def feed(self, cells: Ints, into: AtomCells) -> None:
        """Add cells to the atoms that they count in."""
        some = np.flatnonzero(cells)
        feeds = self._feeds
        for place, n in zip(some.tolist(), cells[some].tolist(), strict=True):
            for target in feeds[place]:
                into[target] = into.get(target, 0) + n


class Table(Mapping[str, Reading]):
    """The counters of one page: `counts` are the cumulative values in the order of the columns, `created` the times of
    those counters that have one."""

    __slots__ = ("columns", "counts", "created")

    def __init__(self, columns: Columns, counts: Ints, created: Floats) -> None:
        self.columns = columns
        self.counts = counts
        self.created = created

    def __getitem__(self, key: str) -> Reading:
        return self._reading(self.columns.index[key])

    def __contains__(self, key: object) -> bool:
        return key in self.columns.index

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns.index)

    def __len__(self) -> int:
        return len(self.columns.index)

    def dump(self) -> dict[str, Any]:
        """For a checkpoint; `readings` reads it."""
        return {"shape": self.columns.shape, "counts": self.counts, "created": self.created}

    def gained(self, before: Table) -> Ints | None:
        """What the values gained since a page with the same columns; None where one fell, or began anew."""
        if self.columns is not before.columns or not np.array_equal(self.created, before.created):
            return None
        found: Ints = self.counts - before.counts
        return None if found.min() < 0 else found

    def _reading(self, place: int) -> Reading:
        columns = self.columns
        values = self.counts[columns.firsts[place] : columns.firsts[place + 1]].tolist()
        told = columns.created[place]
        return Reading(tuple(values), None if told is None else float(self.created[told]))


def readings(dumped: Mapping[str, Any]) -> dict[str, Reading]:
    """The counters of a table's dump."""
    counts, created = iter(dumped["counts"]), iter(dumped["created"])
    return {
        key: Reading(tuple(islice(counts, length)), next(created) if told else None)
        for key, length, told in dumped["shape"]
    }


def _reading(slot: CounterSlot, page: Floats) -> Reading | None:
    values = cumulative(page[list(slot.indices)].tolist(), slot.scale)
    return None if values is None else Reading(values, None if slot.created is None else float(page[slot.created]))


def whole(value: float, scale: float = 1.0) -> int | None:
    """A raw counter value as a whole number of units; None when it is no number that a counter can have."""
    if not isfinite(value) or value < 0 or value * scale > LARGEST:
        return None
    return floor(value * scale + _ROUNDING) if scale != 1.0 else floor(value)


def cumulative(values: Sequence[float], scale: float = 1.0) -> Values | None:
    """A histogram's raw values (or a counter's one) as whole numbers; None when one is no number that a counter can
    have, or when a bound shows less than the one before it."""
    known = tuple(n for value in values if (n := whole(value, scale)) is not None)
    return known if len(known) == len(values) and all(map(le, known, known[1:])) else None


def cells_of(gained: Values) -> list[int]:
    """Disjoint cells of increments of cumulative values; their sum is that of the last one, none is below zero.

    Buckets that were read at different moments may gain more below a bound than in all: what is not in the last value
    yet is not counted yet.
    """
    cells = list(map(sub, gained, (0, *gained)))
    if min(cells) >= 0:
        return cells
    cells = []
    above = gained[-1]
    for value, lower in zip(reversed(gained), reversed((0, *gained[:-1])), strict=True):
        above = min(above, value)
        below = min(above, lower)
        cells.append(above - below)
    return cells[::-1]
