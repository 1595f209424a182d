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

from collector.exposition.alignment import Index, align
from collector.exposition.lines import Lines
from collector.exposition.series import Series
from storage.series.arrays import Bools, Bytes, Floats, Ints

_LINES_A_RUN = 4
"""A page with more stretches than one in so many lines has moved as a whole (a process that began anew): it is read
anew, for comparing short stretches costs more."""
_LINES_A_CHANGE = 12
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
    index: Index | None = None

    def indexed(self) -> Index:
        """The lines by the signatures of what stands before their values."""
        if self.index is None:
            self.index = Index.of(self.lines.signatures(self.cuts))
        return self.index


class Laid(NamedTuple):
    """A page beside its template: the template's line for each line of the page (-1: it came), the lines that are
    known and have another value, and the page's `own` index where it was made."""

    lines: Lines
    old: Ints
    changed: Ints
    own: Index | None = None

    @property
    def in_place(self) -> bool:
        """Whether every known line is where it was."""
        return self.own is None

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
    index = Index.of(lines.signatures(lines.cuts()))
    old = align(index, template.indexed())
    if old is None:
        return None
    new = (old >= 0).nonzero()[0]
    if (old[new[1:]] < old[new[:-1]]).any():  # some moved: compared in the order in which they were
        new = new[old[new].argsort()]
    found = _compare(lines.starts[new], lines, template, old[new])
    if found is None:
        return None
    old[new[found.unlike]] = -1
    return Laid(lines, old, new[found.changed], index)


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
    """Whether every line without a value is still there and in its order, and none came."""
    came = (laid.old < 0).nonzero()[0]
    if not _are_samples(laid.lines, came):
        return False
    if laid.in_place:
        return bool((template.ranks[came] >= 0).all())
    comments = template.ranks < 0
    kept = laid.old[comments[laid.old]]
    kept = kept[kept >= 0]
    return len(kept) == np.count_nonzero(comments) and bool((kept[1:] > kept[:-1]).all())


def _are_samples(lines: Lines, places: Ints) -> bool:
    """Whether these lines are neither comments nor empty."""
    begins = lines.data[lines.starts[places]]
    return bool(((begins != ord("#")) & (begins != ord("\n"))).all())
