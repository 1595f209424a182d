"""What cells of a histogram or a gauge say: a number to draw, and between what the truth lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.histogram import Bounds, coarsen, common_bounds, quantile

ByBounds = dict[Bounds, list[int]]
"""Cells by their bounds: pages of different engines have different ones."""


class Range(NamedTuple):
    """`value` is an estimate, the truth lies from `low` to `high`; `high` None: there is no bound above."""

    low: float
    value: float
    high: float | None


def take_in(mine: ByBounds, other: Mapping[Bounds, Sequence[int]]) -> None:
    """Add another's cells where the bounds are the same."""
    for bounds, cells in other.items():
        held = mine.setdefault(bounds, [0] * len(cells))
        mine[bounds] = [a + b for a, b in zip(held, cells, strict=True)]


def merged(parts: Mapping[Bounds, Sequence[int]]) -> tuple[Bounds, list[int]]:
    """All cells over the bounds that all parts share."""
    if not parts:
        return (), []
    shared = next(iter(parts))
    for bounds in parts:
        shared = common_bounds(shared, bounds)
    columns = [coarsen(bounds, cells, shared) for bounds, cells in parts.items()]
    return shared, [sum(column) for column in zip(*columns, strict=True)]


def quantile_range(q: float, parts: Mapping[Bounds, Sequence[int]]) -> Range | None:
    """The quantile of a histogram: interpolated, and the edges of the cell that holds its rank. None without values."""
    bounds, cells = merged(parts)
    value = quantile(q, bounds, cells)
    if value is None:
        return None
    rank, below = q * sum(cells), 0
    for index, count in enumerate(cells):
        below += count
        if below >= rank and count:
            return Range(*_edges(bounds, index, value))
    return None


def mean_range(parts: Mapping[Bounds, Sequence[int]], step: float = 0.0) -> Range | None:
    """The mean state of a gauge over its time: every cell at its least value, between, and at its upper edge.

    `step` is the difference of two neighbouring values: with 1, a cell from 5 to 6 holds the 6 alone.
    """
    bounds, cells = merged(parts)
    time = sum(cells)
    if not time or not bounds:
        return None
    edges = [(*_sides(bounds, index, step), count) for index, count in enumerate(cells) if count]
    low = sum(lower * count for lower, _, count in edges) / time
    if cells[-1]:
        return Range(low, low, None)
    high = sum((upper or 0.0) * count for _, upper, count in edges) / time
    return Range(low, (low + high) / 2, high)


def _edges(bounds: Bounds, index: int, value: float) -> tuple[float, float, float | None]:
    lower, upper = _sides(bounds, index)
    return lower, value, upper


def _sides(bounds: Bounds, index: int, step: float = 0.0) -> tuple[float, float | None]:
    """A cell's edges. What is measured here is never below 0, so the first cell begins there."""
    lower = bounds[index - 1] + step if index else min(0.0, bounds[0])
    return lower, bounds[index] if index < len(bounds) else None
