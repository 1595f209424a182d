"""Histograms that go on with other bounds: a native one that got coarser, or one that was classic and is native now.

Both are the same counter of the same process. What it gained is known at the bounds that both have; taken for a new
one, it would count everything that it ever counted a second time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import pairwise

from collector.counters import Values
from core.histogram import Bounds

_BOUNDS = " le="
"""What stands in a histogram's key before its bounds (collector/layout_build.py)."""


def rebounded(gone: Iterable[str], fresh: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Keys that are new on a page, and those with other bounds that it lacks."""
    old: dict[str, list[str]] = {}
    for key in gone:
        if _BOUNDS in key:
            old.setdefault(key.rpartition(_BOUNDS)[0], []).append(key)
    found = {key: tuple(old.get(key.rpartition(_BOUNDS)[0], ())) for key in fresh if _BOUNDS in key}
    return {key: olds for key, olds in found.items() if olds}


def carried(old_key: str, old: Values, new_key: str, new: Values) -> Values:
    """What a histogram would have shown at its new bounds when it showed `old` at others.

    At bounds that both have it is what was shown. Between two of them nobody knows: what was gained there is shared
    among the new cells as all that they hold is, in whole numbers.
    """
    before, after = _bounds(old_key), _bounds(new_key)
    result: list[int] = []
    for (low, known_low), (high, known_high) in pairwise(_shared(before, old, after)):
        base = new[low] if low >= 0 else 0
        held, gained = new[high] - base, new[high] - base - (known_high - known_low)
        for value in new[low + 1 : high]:
            share = gained * (value - base) // held if held else 0
            result.append(value - (base - known_low) - share)
        result.append(known_high)
    return tuple(result)


def _shared(before: Bounds, old: Values, after: Bounds) -> list[tuple[int, int]]:
    """The places of the new values whose bounds the old ones have, with what was shown there; the first is nothing."""
    known = dict(zip(before, old, strict=False))
    places = [(bisect_left(after, bound), known[bound]) for bound in after if bound in known]
    return [(-1, 0), *places, (len(after), old[-1])]


def _bounds(key: str) -> Bounds:
    text = key.rpartition(_BOUNDS)[2]
    return tuple(map(float, text.split(","))) if text else ()
