"""All groups of one SLO at one minute, as arrays: what each window spent, and whose alerts may have to move.

The sums and comparisons are those of `burn` and `evaluate`, in whole numbers; of Python's where 64 bits may not do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from slo_engine.book import Counts
from slo_engine.burn import Revision, Spent, in_force
from slo_engine.compile import COVERED, PART, SPREAD, TOTAL, Formula
from slo_engine.windows import BurnPolicy, BurnRow

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Windows = Callable[[float, int], Numbers]
"""(start, end) → a row of columns for each group, as `Account.window` says it."""

_SAFE = 2**62
_EXACT = 2**53
"""Whole numbers below this are floats without rounding, so that one division of two is rounded once."""


class Spending(NamedTuple):
    """One window of all groups: `counts` are groups × columns, `allowed` is in 1/`scale` of an event."""

    counts: Numbers
    bad: Numbers
    allowed: npt.NDArray[Any]
    scale: int

    def of(self, place: int) -> Spent:
        """What one group spent."""
        counts, allowed = Counts(*self.counts[place].tolist()), Fraction(int(self.allowed[place]), self.scale)
        return Spent(counts, int(self.bad[place]), allowed)

    @property
    def known(self) -> Truths:
        """As `Spent.known`."""
        found: Truths = self.counts[:, SPREAD] <= np.maximum(self.counts[:, COVERED], 1) // 2
        return found

    @property
    def rates(self) -> Floats:
        """Burn rates; NaN for None."""
        return ratios(times(self.bad, self.scale), self.allowed)

    @property
    def remaining(self) -> Floats:
        """Shares of the budget that are left; NaN for None."""
        spent, allowed = times(self.bad, self.scale), self.allowed
        return ratios(_less(allowed, spent), allowed)

    def above(self, factor: Fraction) -> Truths:
        """Strictly faster than `factor` allows, compared without rounding."""
        spent = times(self.bad, self.scale * factor.denominator)
        found: Truths = (spent > times(self.allowed, factor.numerator)) & (self.allowed != 0)
        return found.astype(bool)


class Sheet(NamedTuple):
    """One evaluation of all groups: the period and each window of the policy (seconds)."""

    period: Spending
    windows: Mapping[int, Spending]

    def alarming(self, rows: Iterable[BurnRow]) -> Truths:
        """The groups of which a short window says more than "below" or "unknown"."""
        found = np.zeros(len(self.period.bad), bool)
        for row in rows:
            short = self.windows[row.short]
            found |= short.known & short.above(row.factor)
        return found

    def worst(self, window: int, most: int) -> list[int]:
        """The groups with the largest share of bad events in a window, worst first, of those that had any events."""
        spending = self.windows[window]
        shares = ratios(spending.bad, spending.counts[:, TOTAL])
        order = np.argsort(-shares, kind="stable")[:most]
        return [place for place in order.tolist() if shares[place] == shares[place]]


def read(formula: Formula, windows: Windows, end: int, policy: BurnPolicy, revisions: Sequence[Revision]) -> Sheet:
    """Sum the period and every window of the policy for all groups, all ending at `end`."""
    lengths = sorted({w for row in policy.rows for w in (row.long, row.short)})
    return Sheet(
        _spend(formula, windows, formula.slo.window_seconds, end, revisions),
        {length: _spend(formula, windows, length, end, revisions) for length in lengths},
    )


def _spend(formula: Formula, windows: Windows, window: float, end: int, revisions: Sequence[Revision]) -> Spending:
    forces = in_force(end - window, end, revisions)
    tails = [windows(since, end) for since, _ in forces]
    scale = lcm(*(budget.denominator for _, budget in forces))
    totals = [tail[:, TOTAL] for tail in tails]
    parts = [here - later for here, later in pairwise([*totals, np.zeros_like(totals[0])])]
    weights = [budget.numerator * (scale // budget.denominator) for _, budget in forces]
    counts, allowed = tails[0], _weighed(parts, weights)
    bad = counts[:, TOTAL] - counts[:, PART] if formula.part_is_good else counts[:, PART]
    return Spending(counts, bad, allowed, scale)


def _weighed(parts: Sequence[Numbers], weights: Sequence[int]) -> npt.NDArray[Any]:
    if sum(_most(part) * weight for part, weight in zip(parts, weights, strict=True)) >= _SAFE:
        parts = [part.astype(object) for part in parts]
    found: npt.NDArray[Any] = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        found = found + part * weight
    return found


def times(numbers: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    """The exact products."""
    fits = numbers.dtype != object and _most(numbers) * factor < _SAFE
    found: npt.NDArray[Any] = (numbers if fits else numbers.astype(object)) * factor
    return found


def ratios(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Floats:
    """above ÷ below, each rounded once; NaN where `below` is 0."""
    if object not in (above.dtype, below.dtype) and max(_most(above), _most(below)) < _EXACT:
        found: Floats = np.full(len(above), np.nan)
        np.divide(above, below, out=found, where=below != 0)
        return found
    pairs = zip(above.tolist(), below.tolist(), strict=True)
    return np.array([float(Fraction(a, b)) if b else np.nan for a, b in pairs], np.float64)


def _less(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = left - right  # each is below 2**62 where it is of 64 bits
    return found


def _most(numbers: npt.NDArray[Any]) -> int:
    return int(max(-int(numbers.min()), int(numbers.max()), 0)) if len(numbers) else 0
