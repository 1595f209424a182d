"""The engine's memory: for each group of each SLO, the five columns by bucket at the three widths.

A window is read from the widest buckets that fit inside it, with narrower ones at its edges for as long as they are
kept: so a window ends exactly at a minute, and begins at the minute, five minutes or hour that its age still has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, TIERS, end_of_window, start_of
from core.measures import Group
from slo_engine.compile import COLUMNS, TOTAL, Cut, Formula
from slo_engine.specs.model import RateSlices
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey

KEEP = {MINUTES.width: 7 * 3600, FIVE_MINUTES.width: 4 * 86_400, HOURS.width: 400 * 86_400}
"""Seconds of each width held in memory: the longest window read from it and some slack."""

AHEAD = 86_400.0
"""Buckets further ahead than this come from a clock that was wrong."""


class Counts(NamedTuple):
    """The sums of a window, in ledger units."""

    part: int = 0
    total: int = 0
    expected: int = 0
    covered: int = 0
    spread: int = 0

    @property
    def coverage(self) -> float | None:
        """Covered ÷ expected target-time; None when no target was expected."""
        return min(1.0, self.covered / self.expected) if self.expected else None

    def plus(self, other: Counts) -> Counts:
        """Both windows together."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


class Strip:
    """One width: a dense array of buckets by column that grows at both ends."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.first = 0
        self._rows: npt.NDArray[np.int64] = np.zeros((0, COLUMNS), np.int64)

    def put(self, bucket: int, values: npt.NDArray[np.int64]) -> None:
        """Replace a bucket's columns."""
        index = self._make_room(bucket)
        self._rows[index] = values

    def sum(self, start: int, end: int) -> npt.NDArray[np.int64]:
        """The columns of the buckets in [start, end)."""
        low = max(0, (start - self.first) // self.width)
        high = max(low, (end - self.first) // self.width)
        total: npt.NDArray[np.int64] = self._rows[low:high].sum(axis=0)
        return total

    def rows(self, start: int, end: int) -> npt.NDArray[np.int64]:
        """The columns of each bucket in [start, end); zeros where none is held."""
        found = np.zeros((max(0, end - start) // self.width, COLUMNS), np.int64)
        low = max(start, self.first)
        high = min(end, self.first + len(self._rows) * self.width)
        if high > low:
            held = self._rows[(low - self.first) // self.width : (high - self.first) // self.width]
            found[(low - start) // self.width : (high - start) // self.width] = held
        return found

    def since(self) -> int | None:
        """Start of the first bucket with anything in it."""
        filled = np.flatnonzero(self._rows.any(axis=1))
        return None if len(filled) == 0 else self.first + int(filled[0]) * self.width

    def clear(self, bucket: int) -> None:
        """Nothing is in a bucket any more."""
        if self.first <= bucket < self.first + len(self._rows) * self.width:
            self._rows[(bucket - self.first) // self.width] = 0

    def trim(self, before: int) -> None:
        """Forget buckets that end before a time."""
        drop = (before - self.first) // self.width
        if drop > 0 and len(self._rows):
            drop = min(drop, len(self._rows))
            self._rows = self._rows[drop:]
            self.first += drop * self.width

    def _make_room(self, bucket: int) -> int:
        if not len(self._rows):
            self.first = bucket
        index = (bucket - self.first) // self.width
        if index < 0:
            self._rows = np.concatenate([np.zeros((-index, COLUMNS), np.int64), self._rows])
            self.first, index = bucket, 0
        elif index >= len(self._rows):
            more = max(index + 1 - len(self._rows), 64)
            self._rows = np.concatenate([self._rows, np.zeros((more, COLUMNS), np.int64)])
        return index


@dataclass
class Account:
    """One group of one SLO. `cuts`: buckets that a latency's threshold cuts."""

    strips: dict[int, Strip] = field(default_factory=lambda: {tier.width: Strip(tier.width) for tier in TIERS})
    cuts: set[Cut] = field(default_factory=set)

    def window(self, start: float, end: int) -> Counts:
        """Sum [start, end); `end` is a minute's edge. Buckets that are no longer held count nothing."""
        total = np.zeros(COLUMNS, np.int64)
        for width, low, high in _pieces(start, end):
            total += self.strips[width].sum(low, high)
        return Counts(*(int(n) for n in total))

    def steps(self, start: int, end: int, width: int) -> npt.NDArray[np.int64]:
        """The columns of each bucket of a width in [start, end); the last, up to `end`, is summed from minutes."""
        whole = start_of(end, width)
        found = self.strips[width].rows(start, whole)
        if whole == end:
            return found
        return np.concatenate([found, self.strips[MINUTES.width].rows(whole, end).sum(axis=0, keepdims=True)])

    def since(self) -> float | None:
        """When counting began, as far as is remembered."""
        starts = [s for strip in self.strips.values() if (s := strip.since()) is not None]
        return float(min(starts)) if starts else None


def _pieces(start: float, end: int) -> Iterable[tuple[int, int, int]]:
    """Cut [start, end) into runs of buckets: hours inside, five minutes and minutes towards both edges."""
    widths = [tier.width for tier in reversed(TIERS)]
    yield from _cut(start, end, widths)


def _cut(start: float, end: int, widths: list[int]) -> Iterable[tuple[int, int, int]]:
    width = widths[0]
    low, high = end_of_window(start, width), start_of(end, width)
    if len(widths) == 1:
        if high > low:
            yield width, low, high
        return
    if high <= low:
        yield from _cut(start, end, widths[1:])
        return
    yield from _cut(start, low, widths[1:])
    yield width, low, high
    yield from _cut(high, end, widths[1:])


class _Route(NamedTuple):
    account: int
    group: Group
    column: int
    low: int
    high: int


class Book:
    """All accounts of all SLOs, fed with changed buckets."""

    def __init__(self, formulas: Iterable[Formula], keep: Mapping[int, float] = KEEP) -> None:
        self._keep = keep
        self._held: dict[int, tuple[float, float]] = {}
        self.formulas = tuple(formulas)
        self.accounts: tuple[dict[Group, Account], ...] = tuple({} for _ in self.formulas)
        self._routes: dict[int, tuple[_Route, ...]] = {}
        # Counts only grow; a verdict on a minute may be taken back.
        self._judged = [i for i, formula in enumerate(self.formulas) if isinstance(formula.slo.indicator, RateSlices)]

    def apply(self, key: RowKey, cells: Cells, atoms: Mapping[int, Atom]) -> None:
        """Replace the content of one bucket; `atoms` tells what the series ids in it stand for.

        A bucket that no window reaches is left out: strips are dense, and a clock that jumped by years would fill
        memory.
        """
        low, high = self._held.get(key.width, (-inf, inf))
        if not low <= key.bucket <= high:
            return
        sums: dict[tuple[int, Group], npt.NDArray[np.int64]] = {}
        for (series_id, cell), n in cells.items():
            for route in self._routes_of(series_id, atoms):
                if route.low <= cell < route.high:
                    into = sums.get((route.account, route.group))
                    if into is None:
                        into = sums[route.account, route.group] = np.zeros(COLUMNS, np.int64)
                    into[route.column] += n
        for (index, group), values in sums.items():
            account = self.accounts[index].setdefault(group, Account())
            account.strips[key.width].put(key.bucket, values)
        for index in self._judged:
            for group, account in self.accounts[index].items():
                if (index, group) not in sums:
                    account.strips[key.width].clear(key.bucket)

    def trim(self, now: float) -> None:
        """Forget what no window can reach any more, and take in nothing beyond it."""
        for width, seconds in self._keep.items():
            before = start_of(now - seconds, width)
            self._held[width] = (before, now + AHEAD)
            for accounts in self.accounts:
                for account in accounts.values():
                    account.strips[width].trim(before)

    def _routes_of(self, series_id: int, atoms: Mapping[int, Atom]) -> tuple[_Route, ...]:
        routes = self._routes.get(series_id)
        if routes is None:
            routes = self._routes[series_id] = tuple(self._make_routes(atoms[series_id]))
        return routes

    def _make_routes(self, atom: Atom) -> Iterable[_Route]:
        for index, formula in enumerate(self.formulas):
            for term in formula.terms:
                cells = term.pick(atom)
                if cells is None:
                    continue
                group = formula.group_of(atom)
                if term.column == TOTAL and (cut := formula.cut_of(atom)) is not None:
                    self.accounts[index].setdefault(group, Account()).cuts.add(cut)
                yield _Route(index, group, term.column, *cells)
