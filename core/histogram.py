"""Histograms as vectors of non-cumulative cells; cell i counts values in (bounds[i-1], bounds[i]].

`bounds` are the finite upper bounds in rising order; the last cell, above them all, has no bound,
so a histogram with n bounds has n + 1 cells.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

Bounds = tuple[float, ...]


class AtOrBelow(NamedTuple):
    """How many values were at or below a threshold, and what the buckets cannot tell.

    `certain` are the values at or below `bound`, the next bucket bound at or below the threshold;
    `unknown` are those in the cell that the threshold cuts (0 when it is a bound). `bound` is None below the first.
    """

    certain: int
    unknown: int
    bound: float | None


def cell_of(bounds: Bounds, value: float) -> int:
    """Index of the cell that holds `value`."""
    return bisect_left(bounds, value)


def cells_at_or_below(bounds: Bounds, threshold: float) -> int:
    """How many cells lie wholly at or below the threshold."""
    return bisect_right(bounds, threshold)


def at_or_below(bounds: Bounds, cells: Sequence[int], threshold: float) -> AtOrBelow:
    """Count whole cells only: nothing is interpolated into a count."""
    whole = cells_at_or_below(bounds, threshold)
    bound = bounds[whole - 1] if whole else None
    unknown = 0 if bound == threshold else cells[whole]
    return AtOrBelow(sum(cells[:whole]), unknown, bound)


def decumulate(cumulative: Sequence[int]) -> list[int]:
    """Cells of cumulative bucket counts, the last being that of +Inf."""
    previous = 0
    cells = []
    for count in cumulative:
        cells.append(count - previous)
        previous = count
    return cells


def coarsen(bounds: Bounds, cells: Sequence[int], common: Bounds) -> list[int]:
    """The same values over fewer bounds; every bound of `common` must be one of `bounds`."""
    result = []
    start = 0
    for bound in common:
        end = bisect_right(bounds, bound)
        result.append(sum(cells[start:end]))
        start = end
    result.append(sum(cells[start:]))
    return result


def common_bounds(left: Bounds, right: Bounds) -> Bounds:
    """The bounds where two histograms coincide: only there can their counts be added."""
    shared = set(left) & set(right)
    return tuple(bound for bound in left if bound in shared)


def quantile(q: float, bounds: Bounds, cells: Sequence[int]) -> float | None:
    """Prometheus's linear estimate, for plots only; None without observations.

    A rank in the open last cell gives the highest bound; the first cell starts at 0 when its bound is above 0.
    """
    total = sum(cells)
    if total == 0 or not bounds:
        return None
    rank = q * total
    below = 0
    for index, count in enumerate(cells[:-1]):
        if below + count >= rank and count:
            upper = bounds[index]
            lower = bounds[index - 1] if index else min(0.0, upper)
            if index == 0 and upper <= 0:
                return upper
            return lower + (upper - lower) * (rank - below) / count
        below += count
    return bounds[-1]
