"""An account as the engine's functions read it, with the windows of many moments summed at once.

Each window is what `Account.window` says of it, to the count. Windows that are not asked for ahead, and those over
buckets that do not add up, are read from the account itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

import numpy as np

from core.buckets import FIVE_MINUTES, HOURS, MINUTES
from slo_engine.backtest.running import Ints, Running
from slo_engine.backtest.zones import Zone
from slo_engine.book import KEEP, Account, Counts
from slo_engine.compile import COLUMNS, Cut

AHEAD = 128
"""Moments that are summed at once: more cost memory, fewer cost time."""


class QuickAccount:
    """Stands in for an account. `windows`: lengths (seconds) that are asked for at every moment."""

    def __init__(self, account: Account, windows: Sequence[int]) -> None:
        self._account = account
        self._windows = [window for window in windows if _step(window) is not None]
        self._sums: dict[int, list[list[int]]] = {}
        self._known: dict[int, list[bool]] = {}
        self._places: dict[int, int] = {}

    @property
    def cuts(self) -> set[Cut]:
        """As the account's."""
        return self._account.cuts

    def since(self) -> None:
        """A decision does not ask since when something is counted."""

    def prepare(self, zone: Zone, end: int) -> None:
        """Sum ahead from this moment of a zone on; the book is trimmed to it."""
        if end in self._places or not self._windows:
            return
        place = bisect_left(zone.ends, end)
        ends = np.asarray(zone.ends[place : place + AHEAD], np.int64)
        self._places = {moment: index for index, moment in enumerate(ends.tolist())}
        longest = max(self._windows, default=0)
        running = Running(self._account, zone.width, int(ends[0]) - longest, int(ends[-1]), range(COLUMNS))
        for window in self._windows:
            starts = edges(ends - window, window, zone.width)
            self._sums[window] = running.between(starts, ends).tolist()
            self._known[window] = (~running.uneven(starts)).tolist()

    def window(self, start: float, end: int) -> Counts:
        """Sum [start, end)."""
        length = end - start
        place = self._places.get(end)
        if place is None or length not in self._sums or not self._known[int(length)][place]:
            return self._account.window(start, end)
        return Counts(*self._sums[int(length)][place])


def edges(starts: Ints, window: int, width: int) -> Ints:
    """Where windows begin: at the next edge of what a book still holds at that age."""
    step = max(_step(window) or width, width)
    found: Ints = -(-starts // step) * step
    return found


def _step(window: int) -> int | None:
    """The width of the buckets at a window's beginning; None where a book holds only a part of one."""
    reach = [(KEEP[MINUTES.width], MINUTES.width), (KEEP[FIVE_MINUTES.width], FIVE_MINUTES.width), (inf, HOURS.width)]
    before = 0.0
    for seconds, width in reach:
        if window <= seconds:
            return width if window >= before + width or before == 0 else None
        before = seconds
    return None
