"""A page as the template of the next one: what is the same is taken over, what differs is found without reading labels.

Most lines of a page are those of the page before to the byte; of most others only the value has changed. Lines that
came, went or moved break the comparison, which goes on a few lines further on.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from operator import ne
from typing import NamedTuple

from collector.exposition.series import Series

NO_VALUE = b"\n"
"""No line begins with it."""
_CHUNK = 512
_REACH = 64
"""Lines that may have come or gone in one place."""
_LINES_A_BREAK = 16
"""A page with more breaks than one in so many lines is another page: it is read anew."""


class Template(NamedTuple):
    """The page before, line by line.

    `keys` has what stands before the value, the space included; NO_VALUE: the line has none. All else of the lines'
    lists means nothing there.
    """

    lines: list[bytes]
    keys: list[bytes]
    series: list[Series | None]
    values: list[float]
    types: Mapping[str, str]


class Run(NamedTuple):
    """`length` lines from `new` on this page and from `old` on the template that differ in values at most."""

    new: int
    old: int
    length: int


class Aligned(NamedTuple):
    """Runs in the order of both pages; lines of this page with another value, and those values as written."""

    runs: list[Run]
    changed: list[int]
    tokens: list[bytes]


def align(lines: list[bytes], template: Template) -> Aligned | None:
    """Lay a page's lines beside the template's; None where they have too little in common."""
    found = Aligned([], [], [])
    breaks = len(lines) // _LINES_A_BREAK + 1
    i = j = 0
    while i < len(lines) or j < len(template.lines):
        if length := _run(lines, i, template, j, found):
            found.runs.append(Run(i, j, length))
            i, j = i + length, j + length
            continue
        step = _resume(lines, i, template, j) if breaks else None
        if step is None:
            return None
        breaks -= 1
        i, j = i + step[0], j + step[1]
    return found


def _run(lines: list[bytes], i: int, template: Template, j: int, found: Aligned) -> int:
    """How many lines from here on are alike, at most a chunk of them."""
    ours, theirs = lines[i : i + _CHUNK], template.lines[j : j + _CHUNK]
    length = min(len(ours), len(theirs))
    places = list(compress(range(length), map(ne, ours, theirs)))
    changed, keys = [ours[place] for place in places], [template.keys[j + place] for place in places]
    fits = list(map(bytes.startswith, changed, keys))
    if not all(fits):
        other = fits.index(False)
        length = places[other]
        places, changed = places[:other], changed[:other]
    found.changed.extend([i + place for place in places])
    found.tokens.extend(map(bytes.removeprefix, changed, keys))
    return length


def _resume(lines: list[bytes], i: int, template: Template, j: int) -> tuple[int, int] | None:
    """How many lines to pass over on either page until they are alike again."""
    for far in range(1, _REACH + 1):
        for ahead, behind in ((far, 0), (0, far), (far, far)):
            if _alike(lines, i + ahead, template, j + behind):
                return ahead, behind
    return None


def _alike(lines: list[bytes], i: int, template: Template, j: int) -> bool:
    if i >= len(lines) or j >= len(template.lines):
        return i == len(lines) and j == len(template.lines)
    return lines[i] == template.lines[j] or lines[i].startswith(template.keys[j])
