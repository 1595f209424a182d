"""A target's layout, kept from page to page: series that feed nothing may come, go and move without making it anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import compress, count
from operator import is_not
from typing import NamedTuple

import numpy as np

from collector.counters import CounterSlot
from collector.layout_build import LayoutBuilder
from collector.measures import GaugeSlot, Layout, RawSeries
from collector.profiles.identify import recognise
from collector.profiles.model import Profile
from storage.series.arrays import Floats, Ints


class Fit(NamedTuple):
    """How a page is read: value `i` of the layout stands at `places[i]` of the page, in page order."""

    profile: Profile | None
    layout: Layout
    places: Ints

    def values(self, page: Floats) -> Floats:
        """The values that the layout reads."""
        return page[self.places]


class LayoutKeeper:
    """Fits layouts to the pages of one target, under one plan and one set of target labels.

    A layout depends on which metric names a page has, and on the order of the series of those names that its builder
    asked for. A page that has both as the page before keeps its layout; only the places are found again.
    """

    def __init__(self, builder: Callable[[Profile | None], LayoutBuilder], *, signals: bool) -> None:
        self._builder = builder
        self._signals = signals
        self._series: Sequence[RawSeries] = ()
        self._names: Counter[str] = Counter()
        self._asked: frozenset[str] = frozenset()
        self._fit: Fit | None = None

    def fit(self, series: Sequence[RawSeries]) -> Fit:
        """The layout for a page with exactly these series, in this order."""
        if self._fit is None:
            self._fit = self._anew(series)
        elif series is not self._series:
            places = self._moved(self._fit, series)
            self._fit = self._anew(series) if places is None else self._fit._replace(places=places)
        self._series = series
        return self._fit

    def _anew(self, series: Sequence[RawSeries]) -> Fit:
        self._names = Counter(one.name for one in series)
        profile = recognise(self._names)[0] if self._signals else None
        layout, self._asked = self._builder(profile).build_and_tell(series)
        places = _places(series, self._asked)
        return Fit(profile, narrowed(layout, places), places)

    def _moved(self, fit: Fit, series: Sequence[RawSeries]) -> Ints | None:
        """Where the values of the layout stand now; None where it does not fit any more."""
        before, places, asked = self._series, fit.places, self._asked
        head = _alike(before, series)
        tail = min(_alike(before[::-1], series[::-1]), len(before) - head, len(series) - head)
        old, new = before[head : len(before) - tail], series[head : len(series) - tail]
        if self._renamed(old, new) or _only(old, asked) != _only(new, asked):
            return None
        first, last = np.searchsorted(places, (head, len(before) - tail))
        shift = len(series) - len(before)
        return np.concatenate((places[:first], head + _places(new, asked), places[last:] + shift))

    def _renamed(self, old: Iterable[RawSeries], new: Iterable[RawSeries]) -> bool:
        """Take note of the names that came and went; whether the page has others than before."""
        change, went = Counter([one.name for one in new]), Counter([one.name for one in old])
        if change == went:
            return False
        change.subtract(went)
        other = any((self._names[name] > 0) != (self._names[name] + n > 0) for name, n in change.items())
        self._names.update(change)
        return other


def narrowed(layout: Layout, places: Ints) -> Layout:
    """The same layout of a page that has only the values at these places."""
    rank = {place: index for index, place in enumerate(places.tolist())}

    def counter(slot: CounterSlot) -> CounterSlot:
        created = None if slot.created is None else rank[slot.created]
        return slot._replace(indices=tuple(rank[i] for i in slot.indices), created=created)

    def gauge(slot: GaugeSlot) -> GaugeSlot:
        rest, others = (tuple(rank[i] for i in found) for found in (slot.rest, slot.others))
        return slot._replace(at=rank[slot.at], rest=rest, others=others)

    return replace(
        layout,
        counters=tuple(map(counter, layout.counters)),
        gauges=tuple(map(gauge, layout.gauges)),
        process_start=None if layout.process_start is None else rank[layout.process_start],
    )


def _places(series: Sequence[RawSeries], names: frozenset[str]) -> Ints:
    return np.array([place for place, one in enumerate(series) if one.name in names], np.int64)


def _only(series: Iterable[RawSeries], names: frozenset[str]) -> list[RawSeries]:
    return [one for one in series if one.name in names]


def _alike(left: Sequence[RawSeries], right: Sequence[RawSeries]) -> int:
    """How many series from the beginning are the same; a reader hands out the same objects again."""
    return next(compress(count(), map(is_not, left, right)), min(len(left), len(right)))
