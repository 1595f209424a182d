"""Which moments cannot change an alert that is at rest: those in which no short window burns faster than its factor.

An alert at rest moves only where the short window of a row is above its factor (`evaluate.stand`, `conditions.decide`).
Sums of all short windows at once say where that may be; there the engine's own functions are asked. What is found may
be too much, and is never too little: factors are compared with a margin, the smallest budget of all revisions counts,
and windows whose buckets do not add up to the wider ones are always looked at.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, end_of_window, start_of
from slo_engine.backtest.zones import Zone
from slo_engine.book import KEEP, Account
from slo_engine.compile import PART, TOTAL, Formula
from slo_engine.windows import BurnPolicy

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_MARGIN = 1 - 1e-9
_LONGEST = KEEP[MINUTES.width] - HOURS.width
"""Short windows up to here are read by the minute at both ends."""


def suspects(formula: Formula, account: Account, zone: Zone, policy: BurnPolicy, least_budget: Fraction) -> Bools:
    """For each end of the zone whether a short window may be above its factor. `policy`: widened to the zone."""
    ends = np.asarray(zone.ends, np.int64)
    shorts = {row.short: float(row.factor) for row in sorted(policy.rows, key=lambda row: -row.factor)}
    if not len(ends) or not shorts or max(shorts) > _LONGEST:
        return np.ones(len(ends), np.bool_)
    sums = _Running(account, zone.width, int(ends[0]) - max(shorts), int(ends[-1]))
    found = np.zeros(len(ends), np.bool_)
    for short, factor in shorts.items():
        part, total = sums.between(ends - short, ends)
        bad = total - part if formula.part_is_good else part
        found |= (bad > 0) & (bad > factor * float(least_budget) * total * _MARGIN)
        found |= sums.uneven(ends - short)
    return found


class _Running:
    """Running sums of part and total at the edges of a width's buckets, out of the widest buckets that fit."""

    def __init__(self, account: Account, width: int, start: int, end: int) -> None:
        self.first, self.width = start_of(start, HOURS.width), width
        last = end_of_window(end, HOURS.width)
        wide = _rows(account, HOURS.width, self.first, last)
        sums = np.repeat(_before(wide, 0), HOURS.width // width, axis=0)
        uneven = np.zeros(len(sums), np.bool_)
        whole, wider = wide.sum(axis=0), HOURS.width
        for narrow in (FIVE_MINUTES.width, MINUTES.width):
            if narrow < width:
                break
            rows = _rows(account, narrow, self.first, last)
            parts = rows.reshape(len(wide), wider // narrow, 2)
            sums += np.repeat(_before(parts, 1).reshape(-1, 2), narrow // width, axis=0)
            uneven |= np.repeat((parts.sum(axis=1) != wide).any(axis=1), wider // width)
            wide, wider = rows, narrow
        self._sums = np.concatenate([sums, whole[None]])
        self._uneven = uneven

    def between(self, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
        """Part and total of the windows [start, end)."""
        difference = self._sums[self._index(ends)] - self._sums[self._index(starts)]
        return difference[:, 0], difference[:, 1]

    def uneven(self, starts: Ints) -> Bools:
        """Whether a window begins inside a bucket that is not the sum of its narrower ones."""
        found: Bools = self._uneven[self._index(starts)]
        return found

    def _index(self, times: Ints) -> Ints:
        found: Ints = (times - self.first) // self.width
        return found


def _rows(account: Account, width: int, first: int, last: int) -> Ints:
    return account.strips[width].rows(first, last)[:, [PART, TOTAL]]


def _before(rows: Ints, axis: int) -> Ints:
    """What stands before each entry of an axis."""
    found: Ints = np.cumsum(rows, axis=axis) - rows
    return found
