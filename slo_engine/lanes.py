"""What is added up: lanes, each the sum of cells of some series, and which column of which account reads which lane.

Columns that add up the same series are one lane, as the target-time of all SLOs over one layer. They part when a new
series belongs to one of them only: the one that goes takes a copy of the lane's past along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from storage.ledger.columns import Columns

Numbers = npt.NDArray[np.int64]

NOTHING = 0
"""The lane of columns that add up no series."""


class Part(NamedTuple):
    """The cells [low, high) of a series."""

    series: int
    low: int
    high: int


Wish = tuple[int, tuple[Part, ...]]
"""A column's lane so far, and the parts that it adds up from now on too."""


class Lanes:
    """Knows every lane by its parts, and sums a bucket's content into all of them."""

    def __init__(self) -> None:
        self._parts: list[tuple[Part, ...]] = [()]
        self._by_parts: dict[tuple[Part, ...], int] = {(): NOTHING}
        self._users: Counter[int] = Counter()
        self._base: Numbers = np.full(0, -1, np.int64)
        """By series: where its cells begin among all cells; -1 for one that is not known."""
        self._room: Numbers = np.zeros(0, np.int64)
        self._size = 0
        self._flat: Numbers = np.zeros((0, 4), np.int64)
        """Every part of every lane: its lane, series, low and high."""
        self._fresh: list[tuple[int, int, int, int]] = []
        self._compiled: tuple[Numbers, Numbers, Numbers, Numbers] | None = None

    def __len__(self) -> int:
        return len(self._parts)

    def known(self, series: Numbers) -> npt.NDArray[np.bool_]:
        """Which series have been introduced."""
        inside = series < len(self._base)
        found: npt.NDArray[np.bool_] = np.zeros(len(series), bool)
        found[inside] = self._base[series[inside]] != -1
        return found

    def introduce(self, series: int, cells: int) -> None:
        """A series with so many cells; 0 for one that no lane counts."""
        if series >= len(self._base):
            more = max(series + 1 - len(self._base), 256)
            self._base = np.concatenate([self._base, np.full(more, -1, np.int64)])
            self._room = np.concatenate([self._room, np.zeros(more, np.int64)])
        self._base[series], self._room[series] = self._size, cells
        self._size += cells
        self._compiled = None

    def move(self, wanted: Mapping[Wish, int]) -> tuple[dict[Wish, int], list[tuple[int, int]]]:
        """How many columns have a wish: the lane of each from now on, and (from, to) of the pasts to copy."""
        moved: dict[Wish, int] = {}
        copies = []
        for (lane, added), columns in wanted.items():
            parts = tuple(sorted((*self._parts[lane], *added)))
            found = self._by_parts.get(parts)
            if found is None:
                alone = lane != NOTHING and self._users[lane] == columns
                found = self._make(lane, parts, alone=alone)
                self._fresh += [(found, *part) for part in (added if alone else parts)]
                if lane not in (found, NOTHING):
                    copies.append((lane, found))
            self._users[lane] -= columns
            self._users[found] += columns
            moved[lane, added] = found
        self._compiled = None
        return moved, copies

    def _make(self, lane: int, parts: tuple[Part, ...], *, alone: bool) -> int:
        """A lane of these parts: the old one where nobody else reads it."""
        if alone:
            del self._by_parts[self._parts[lane]]
            self._parts[lane] = parts
            self._by_parts[parts] = lane
            return lane
        self._parts.append(parts)
        self._by_parts[parts] = len(self._parts) - 1
        return len(self._parts) - 1

    def sums(self, content: Columns) -> Numbers:
        """What every lane holds of a bucket's content."""
        lanes, starts, low, high = self._compiled = self._compiled or self._compile()
        ids, cell = content.ids, content.cells
        counted = cell < self._room[ids]
        cells = np.zeros(self._size + 1, np.int64)
        cells[self._base[ids[counted]] + cell[counted] + 1] = content.counts[counted]
        upto = np.cumsum(cells)
        result = np.zeros(len(self), np.int64)
        if len(lanes):
            result[lanes] = np.add.reduceat(upto[high] - upto[low], starts)
        return result

    def _compile(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Lanes with parts, where the parts of each begin, and the parts' edges among all cells."""
        if self._fresh:
            self._flat = np.concatenate([self._flat, np.array(self._fresh, np.int64)])
            self._flat = self._flat[np.argsort(self._flat[:, 0], kind="stable")]
            self._fresh = []
        lane, series, low, high = self._flat.T
        starts = np.flatnonzero(np.concatenate(([True], lane[1:] != lane[:-1]))) if len(lane) else lane
        base = self._base[series]
        return lane[starts], starts, base + low, base + high
