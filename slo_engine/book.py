"""The engine's memory: for each group of each SLO, the five columns by bucket at the three widths.

Each column is a lane (`lanes`) of three tracks (`track`), one a width. A window is read from the widest buckets that
fit inside it, with narrower ones at its edges for as long as they are kept: so a window ends exactly at a minute, and
begins at the minute, five minutes or hour that its age still has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

import numpy as np

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, TIERS, end_of_window, start_of
from core.measures import Group
from slo_engine.compile import COLUMNS, TOTAL, Cut, Formula
from slo_engine.lanes import NOTHING as NO_LANE
from slo_engine.lanes import Lanes, Part
from slo_engine.track import NEVER, Numbers, Track
from storage.ledger import columns
from storage.ledger.cells import Cells
from storage.ledger.columns import Columns
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
    """One width of one account: buckets by column."""

    __slots__ = ("lanes", "track")

    def __init__(self, track: Track, lanes: Numbers) -> None:
        self.track = track
        self.lanes = lanes

    @property
    def width(self) -> int:
        """Seconds of a bucket."""
        return self.track.width

    def sum(self, start: int, end: int) -> Numbers:
        """The columns of the buckets in [start, end)."""
        return self.track.sum_of(self.lanes, start, end)

    def rows(self, start: int, end: int) -> Numbers:
        """The columns of each bucket in [start, end); zeros where none is held."""
        return self.track.rows(self.lanes, start, end)

    def since(self) -> int | None:
        """Start of the first bucket with anything in it."""
        found = int(self.track.since(self.lanes).min())
        return None if found >= NEVER else found


class Account:
    """One group of one SLO: a view of the book, by width. `cuts`: buckets that a latency's threshold cuts."""

    __slots__ = ("cuts", "strips")

    def __init__(self, strips: Mapping[int, Strip] | None = None, cuts: set[Cut] | None = None) -> None:
        self.strips = strips if strips is not None else _strips(_NO_TRACKS)
        self.cuts: set[Cut] = set() if cuts is None else cuts

    @property
    def lanes(self) -> Numbers:
        """Which lane each column reads, at every width; the book changes it in place."""
        return self.strips[MINUTES.width].lanes

    def window(self, start: float, end: int) -> Counts:
        """Sum [start, end); `end` is a minute's edge. Buckets that are no longer held count nothing."""
        total = np.zeros(COLUMNS, np.int64)
        for width, low, high in _pieces(start, end):
            total += self.strips[width].sum(low, high)
        return Counts(*total.tolist())

    def steps(self, start: int, end: int, width: int) -> Numbers:
        """The columns of each bucket of a width in [start, end); the last, up to `end`, is summed from minutes."""
        whole = start_of(end, width)
        found = self.strips[width].rows(start, whole)
        if whole == end:
            return found
        return np.concatenate([found, self.strips[MINUTES.width].rows(whole, end).sum(axis=0, keepdims=True)])

    def since(self) -> float | None:
        """When counting began, as far as is remembered."""
        tracks = {width: strip.track for width, strip in self.strips.items()}
        return _time(int(_since(tracks, self.lanes).min()))


def _strips(tracks: Mapping[int, Track]) -> dict[int, Strip]:
    """Of an account that counts nothing yet."""
    lanes: Numbers = np.full(COLUMNS, NO_LANE, np.int64)
    return {width: Strip(track, lanes) for width, track in tracks.items()}


def _since(tracks: Mapping[int, Track], lanes: Numbers) -> Numbers:
    """Start of the first bucket of each lane; narrower widths are asked only where theirs may be earlier."""
    found = np.full(len(lanes), NEVER, np.int64)
    for width in sorted(tracks, reverse=True):
        earlier = np.flatnonzero(found > tracks[width].begins())
        if len(earlier):
            found[earlier] = np.minimum(found[earlier], tracks[width].since(lanes[earlier]))
    return found


def _time(first: int) -> float | None:
    return None if first >= NEVER else float(first)


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


_NO_TRACKS = {tier.width: Track(tier.width) for tier in TIERS}
"""Of an account that no book knows: nothing was counted."""


class Book:
    """All accounts of all SLOs, fed with changed buckets."""

    def __init__(self, formulas: Iterable[Formula], keep: Mapping[int, float] = KEEP) -> None:
        self._keep = keep
        self._held: dict[int, tuple[float, float]] = {}
        self.formulas = tuple(formulas)
        self.accounts: tuple[dict[Group, Account], ...] = tuple({} for _ in self.formulas)
        self._lanes = Lanes()
        self._tracks = {tier.width: Track(tier.width) for tier in TIERS}
        self._tables: dict[int, Numbers] = {}

    def apply(self, key: RowKey, cells: Cells | Columns, atoms: Mapping[int, Atom]) -> None:
        """Replace the content of one bucket; `atoms` tells what the series ids in it stand for.

        A bucket that no window reaches is left out: strips are dense, and a clock that jumped by years would fill
        memory.
        """
        low, high = self._held.get(key.width, (-inf, inf))
        if not self.formulas or not low <= key.bucket <= high:
            return
        content = cells if isinstance(cells, Columns) else columns.from_cells(cells)
        self._introduce(content.ids, atoms)
        self._tracks[key.width].put(key.bucket, self._lanes.sums(content))

    def trim(self, now: float) -> None:
        """Forget what no window can reach any more, and take in nothing beyond it."""
        for width, seconds in self._keep.items():
            before = start_of(now - seconds, width)
            self._held[width] = (before, now + AHEAD)
            self._tracks[width].trim(before)

    # All groups of an SLO at once.

    def table(self, index: int) -> Numbers:
        """Accounts of a formula, in their order, × columns: the lane of each."""
        found = self._tables.get(index)
        if found is None:
            lanes = [account.lanes for account in self.accounts[index].values()]
            found = self._tables[index] = np.array(lanes, np.int64).reshape(-1, COLUMNS)
        return found

    def windows(self, index: int, start: float, end: int) -> Numbers:
        """Accounts of a formula, in their order, × columns: what `Account.window` says of each."""
        total = np.zeros(len(self._lanes), np.int64)
        for width, low, high in _pieces(start, end):
            total += self._tracks[width].sum(low, high)
        found: Numbers = total[self.table(index)]
        return found

    def since(self, index: int) -> Numbers:
        """What `Account.since` says of each account of a formula, in their order; NEVER for None."""
        lanes = self.table(index)
        distinct, places = np.unique(lanes, return_inverse=True)
        found: Numbers = _since(self._tracks, distinct)[places.reshape(lanes.shape)].min(axis=1, initial=NEVER)
        return found

    # What counts where.

    def _introduce(self, series: Numbers, atoms: Mapping[int, Atom]) -> None:
        """Give the parts of new series to the columns that add them up."""
        added: dict[tuple[int, Group, int], list[Part]] = {}
        for series_id in np.unique(series[~self._lanes.known(series)]).tolist():
            atom = atoms[series_id]
            parts = list(self._parts_of(atom, series_id))
            self._lanes.introduce(series_id, atom.measure.cells if parts else 0)
            for column, part in parts:
                added.setdefault(column, []).append(part)
        if added:
            self._add(added)

    def _parts_of(self, atom: Atom, series_id: int) -> Iterable[tuple[tuple[int, Group, int], Part]]:
        """(formula, group, column) and the cells of a series that it adds up."""
        for index, formula in enumerate(self.formulas):
            for term in formula.terms:
                cells = term.pick(atom)
                if cells is None:
                    continue
                group = formula.group_of(atom)
                account = self._account(index, group)
                if term.column == TOTAL and (cut := formula.cut_of(atom)) is not None:
                    account.cuts.add(cut)
                yield (index, group, term.column), Part(series_id, *cells)

    def _account(self, index: int, group: Group) -> Account:
        found = self.accounts[index].get(group)
        if found is None:
            found = self.accounts[index][group] = Account(_strips(self._tracks))
            self._tables.pop(index, None)
        return found

    def _add(self, added: Mapping[tuple[int, Group, int], list[Part]]) -> None:
        wishes = {
            (index, group, column): (int(self.accounts[index][group].lanes[column]), tuple(parts))
            for (index, group, column), parts in added.items()
        }
        moved, copies = self._lanes.move(Counter(wishes.values()))
        for (index, group, column), wish in wishes.items():
            self.accounts[index][group].lanes[column] = moved[wish]
        for track in self._tracks.values():
            track.grow(len(self._lanes))
            track.copy(copies)
        self._tables.clear()
