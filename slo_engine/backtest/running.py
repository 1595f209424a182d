"""Sums of many windows of one account at once: running sums at the edges of its narrowest buckets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, end_of_window, start_of
from slo_engine.book import Account

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Running:
    """Running sums of some columns over [start, end), out of the widest buckets that fit, as `Account.window` reads."""

    def __init__(self, account: Account, width: int, start: int, end: int, columns: Sequence[int]) -> None:
        self.first, self.width = start_of(start, HOURS.width), width
        last = end_of_window(end, HOURS.width)
        wide = self._rows(account, HOURS.width, last, columns)
        sums = np.repeat(_before(wide, 0), HOURS.width // width, axis=0)
        whole, wider = wide.sum(axis=0), HOURS.width
        self._uneven: list[tuple[int, Bools]] = []
        for narrow in (FIVE_MINUTES.width, MINUTES.width):
            if narrow < width:
                break
            rows = self._rows(account, narrow, last, columns)
            parts = rows.reshape(len(wide), wider // narrow, len(columns))
            sums += np.repeat(_before(parts, 1).reshape(-1, len(columns)), narrow // width, axis=0)
            self._uneven.append((wider, (parts.sum(axis=1) != wide).any(axis=1)))
            wide, wider = rows, narrow
        self._sums = np.concatenate([sums, whole[None]])

    def between(self, starts: Ints, ends: Ints) -> Ints:
        """The columns of each window [start, end), both edges of the width."""
        found: Ints = self._sums[(ends - self.first) // self.width] - self._sums[(starts - self.first) // self.width]
        return found

    def uneven(self, starts: Ints) -> Bools:
        """Whether a window begins inside a bucket that is not the sum of its narrower ones: its sum is unknown."""
        found = np.zeros(len(starts), np.bool_)
        for wider, differs in self._uneven:
            found |= differs[(starts - self.first) // wider] & (starts % wider != 0)
        return found

    def _rows(self, account: Account, width: int, last: int, columns: Sequence[int]) -> Ints:
        return account.strips[width].rows(self.first, last)[:, list(columns)]


def _before(rows: Ints, axis: int) -> Ints:
    """What stands before each entry of an axis."""
    found: Ints = np.cumsum(rows, axis=axis) - rows
    return found
