"""Which lines of a page are which of the page before, when some came, went or moved."""

from __future__ import annotations

import numpy as np

from storage.series.arrays import Ints, Words

_CHUNK = 256
_REACH = 64
"""Lines that may have come or gone in one place."""
_LINES_A_BREAK = 16
"""A page with more breaks than one in so many lines is another page: it is read anew."""


def align(new: Words, old: Words) -> Ints | None:
    """For each line of the new page the same line of the old one, -1 where it came; None where too much differs.

    Lines are given by their signatures; those that are found run in the order of both pages.
    """
    found = np.full(len(new), -1, np.int64)
    breaks = len(new) // _LINES_A_BREAK + 2
    i = j = 0
    while i < len(new) and j < len(old):
        length = _alike(new[i : i + _CHUNK], old[j : j + _CHUNK])
        found[i : i + length] = np.arange(j, j + length)
        i, j = i + length, j + length
        if length == _CHUNK:
            continue
        breaks -= 1
        step = _resume(new[i : i + _REACH].tolist(), old[j : j + _REACH].tolist())
        if breaks < 0 or step is None:
            return None
        i, j = i + step[0], j + step[1]
    return found


def _alike(left: Words, right: Words) -> int:
    """How many lines from the beginning are the same."""
    shorter = min(len(left), len(right))
    differ = left[:shorter] != right[:shorter]
    first = int(differ.argmax()) if shorter else 0
    return first if shorter and differ[first] else shorter


def _resume(new: list[int], old: list[int]) -> tuple[int, int] | None:
    """How many lines to pass over on either page until they are alike again: as few as possible."""
    if not new or not old:
        return len(new), len(old)
    places: dict[int, int] = {}
    for place, signature in enumerate(old):
        places.setdefault(signature, place)
    best: tuple[int, int] | None = None
    for place, signature in enumerate(new):
        if best is not None and place >= sum(best):
            break
        behind = places.get(signature)
        if behind is not None and (best is None or place + behind < sum(best)):
            best = place, behind
    return best if best is not None or len(new) == len(old) == _REACH else (len(new), len(old))
