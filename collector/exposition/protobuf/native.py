"""Native histograms as classic ones: cumulative counts over a fixed list of bounds.

A native histogram of schema s has its bounds at 2^(i / 2^s), so those of a coarser schema are among those of a finer
one. Everything is brought to the bounds of schema 3 within a fixed range; a coarser schema keeps those of them that it
has. So counts add up exactly over targets and time, and no count is ever split.
Source: https://prometheus.io/docs/specs/native_histograms/
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from core.histogram import Bounds
from storage.series.arrays import Floats, Ints

FINEST = 3
"""Bounds lie a factor of 2^(1/8) = 1.09 apart: a threshold between two of them is off by at most 9 %. One schema more
doubles what a page, the ledger and every sum over it carry."""
LOWEST_SCHEMA, HIGHEST_SCHEMA = -4, 8
_AN_OCTAVE = 2**FINEST
_TOLERANCE = 1e-9
"""Bounds are rounded to 12 digits, so that every platform has the same."""


class Range(NamedTuple):
    """The lowest and the highest bound, as powers of two; beyond them lie the first cell and the last."""

    lowest: int
    highest: int


SECONDS = Range(-10, 12)
"""1 ms to 68 minutes, for what is told in seconds."""
ANYTHING = Range(-10, 22)
"""0.001 to 4 million, for anything else: tokens, bytes, milliseconds, shares."""


class Native(NamedTuple):
    """A native histogram: `indices` and `counts` are its positive buckets, `below` what lies in its zero bucket and
    under zero, `total` all observations, also those that are no number."""

    schema: int
    zero_threshold: float
    below: float
    indices: Ints
    counts: Floats
    total: float


class Grid(NamedTuple):
    """Which bounds of the fixed list a histogram has: every `step`-th, from the place `first` on."""

    step: int
    first: int
    range: Range


def grid_of(found: Native, of: Range) -> Grid:
    """Its own bounds among the fixed ones. Below the threshold of its zero bucket it has none."""
    first = bisect_left(_every(of), found.zero_threshold * (1 - _TOLERANCE)) if found.zero_threshold > 0 else 0
    return Grid(2 ** max(0, FINEST - found.schema), first, of)


@lru_cache(256)
def bounds_of(grid: Grid) -> Bounds:
    """The bounds of a grid; there may be none."""
    every = _every(grid.range)
    return tuple(every[index - grid.range.lowest * _AN_OCTAVE] for index in _indices(grid).tolist())


def cumulative(found: Native, grid: Grid) -> Floats:
    """Observations at or below each bound of the grid, and all of them at the end."""
    own = _indices(grid)
    cells = np.bincount(np.searchsorted(own, finest(found.schema, found.indices)), found.counts, len(own) + 1)
    cells[0] += found.below
    return np.append(np.cumsum(cells[:-1]), found.total)


def finest(schema: int, indices: Ints) -> Ints:
    """The buckets of schema 3 whose upper bounds are those of these buckets or, where those are finer, the next."""
    found: Ints = indices << FINEST - schema if schema <= FINEST else -(-indices >> schema - FINEST)
    return found


@lru_cache(256)
def _indices(grid: Grid) -> Ints:
    """The buckets of schema 3 whose upper bounds are the grid's."""
    low, high = (power * _AN_OCTAVE for power in grid.range)
    every: Ints = np.arange(low + grid.first, high + 1)
    own: Ints = every[every % grid.step == 0]
    return own


@lru_cache(8)
def _every(of: Range) -> Bounds:
    low, high = (power * _AN_OCTAVE for power in of)
    return tuple(float(f"{2 ** (index / _AN_OCTAVE):.12g}") for index in range(low, high + 1))
