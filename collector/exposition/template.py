"""A page as the template of the next one: what is the same is taken over, what differs is found without reading labels.

Most lines of a page are those of the page before to the byte; of most others only the value has changed. Both pages are
compared as bytes, stretch by stretch, and the differences are added up for each line's text before its value, which
must have none, and for its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from collector.exposition.alignment import align
from collector.exposition.lines import Lines
from collector.exposition.series import Series
from storage.series.arrays import Bools, Bytes, Floats, Ints

_LINES_A_RUN = 4
"""A page with more stretches than one in so many lines has moved as a whole (a process that began anew): it is read
anew, for comparing short stretches costs more."""
_LINES_A_CHANGE = 32
"""Where more lines than one in so many are others in their place, lines have moved."""


@dataclass
class Template:
    """The page before. `cuts`: how long each line's text before the value is, all of a line without one; `ranks`: which
    sample each line is, -1 for none; `places`: the line of each sample."""

    lines: Lines
    cuts: Ints
    ranks: Ints
    places: Ints
    series: list[Series]
    values: Floats
    types: Mapping[str, str]


class Laid(NamedTuple):
    """A page beside its template: the template's line for each line of the page (-1: it came), and the lines that are
    known and have another value."""

    lines: Lines
    old: Ints
    changed: Ints

    def came(self) -> list[int]:
        """The lines that the template lacks."""
        found: list[int] = np.flatnonzero(self.old < 0).tolist()
        return found


class _Compared(NamedTuple):
    """Of pairs of lines: which are not one line, and which are one with another value."""

    unlike: Bools
    changed: Bools


def lay(body: bytes, template: Template) -> Laid | None:
    """Lay a page beside the template; None where they have too little in common, or a line without a value came or
    went."""
    lines = Lines.of(body)
    found = _in_place(lines, template) or _aligned(lines, template)
    return found if found is not None and _keeps_comments(found, template) else None


def _in_place(lines: Lines, template: Template) -> Laid | None:
    """Every line against the one in its place; None where too many are others."""
    if len(lines) != len(template.lines):
        return None
    found = _compare(lines.starts, lines, template)
    if found is None:
        return None
    many = int(np.count_nonzero(found.unlike))
    if many > len(lines) // _LINES_A_CHANGE + 1:
        return None
    every = np.arange(len(lines))
    if many:
        every[found.unlike] = -1
    return Laid(lines, every, np.flatnonzero(found.changed))


def _aligned(lines: Lines, template: Template) -> Laid | None:
    """Every line against the one with the same signature; None where too few are found."""
    old = align(lines.signatures(lines.cuts()), template.lines.signatures(template.cuts))
    new = np.flatnonzero(old >= 0) if old is not None else ()
    if old is None or not len(new):
        return None
    found = _compare(lines.starts[new], lines, template, old[new])
    if found is None:
        return None
    old[new[found.unlike]] = -1
    return Laid(lines, old, new[found.changed])


def _compare(starts: Ints, lines: Lines, template: Template, old: Ints | None = None) -> _Compared | None:
    """Compare the lines that begin at `starts` with the template's `old` ones (None: all), in the order of both pages;
    None for too many stretches."""
    before, cuts, ranks = template.lines, template.cuts, template.ranks
    begins, ends = before.starts, before.ends
    apart: Bools | bool = False
    if old is not None:
        begins, ends, cuts, ranks = begins[old], ends[old], cuts[old], ranks[old]
        apart = old[1:] - old[:-1] != 1
    moved = starts - begins
    stretches = np.flatnonzero((moved[1:] != moved[:-1]) | apart)
    if len(stretches) > len(starts) // _LINES_A_RUN + 1:
        return None
    differs = np.zeros(len(before.data), np.bool_)
    firsts, lasts = np.append(0, stretches + 1), np.append(stretches, len(starts) - 1)
    _mark(differs, lines.data, before.data, begins[firsts], ends[lasts] + 1, moved[firsts])
    bounds = np.empty(2 * len(starts), np.int64)
    bounds[0::2] = begins
    np.add(begins, cuts, out=bounds[1::2])
    parts = np.bitwise_or.reduceat(differs.view(np.uint8), bounds).view(np.bool_)
    changed = parts[1::2]
    unlike = parts[0::2] | (changed & (ranks < 0))
    return _Compared(unlike, changed & ~unlike)


def _mark(differs: Bools, ours: Bytes, theirs: Bytes, begins: Ints, ends: Ints, moved: Ints) -> None:
    """Mark which bytes of the old page are others on the new one, by stretches that moved by as many bytes."""
    for begin, end, by in zip(begins.tolist(), ends.tolist(), moved.tolist(), strict=True):
        here = ours[begin + by : end + by]
        both = begin + len(here)  # before the end, where the last line is shorter now
        np.not_equal(theirs[begin:both], here, out=differs[begin:both])
        differs[both:end] = True


def _keeps_comments(laid: Laid, template: Template) -> bool:
    """Whether every line without a value is still there, and none came."""
    known = laid.old >= 0
    if len(laid.old) == len(template.lines) and known.all():
        return True
    kept = laid.old[known]
    gone = np.ones(len(template.lines), np.bool_)
    gone[kept] = False
    starts = laid.lines.starts[~known]
    plain = (laid.lines.data[starts] != ord("#")) & (laid.lines.data[starts] != ord("\n"))
    return bool((template.ranks[gone] >= 0).all() and plain.all())
