"""From a page's series to what they count: the layout of a page, made once for each shape it takes.

A layout says which raw values are counters (and which atoms of the ledger each feeds), which are gauges, which series
tells when the process began, and in which groups the target therefore counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from operator import itemgetter
from typing import NamedTuple, Protocol

from collector.increments import Reading, cumulative
from core.labels import Labels
from core.measures import Group
from storage.ledger.dictionary import Atom

_WORK = ("requests", "generation_tokens")
"""Signals that move while an engine works."""


class RawSeries(Protocol):
    """A series of a page: its metric name and its labels without `__name__`."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Labels: ...


class CounterSlot(NamedTuple):
    """A raw counter: where its values stand on the page (a histogram has several) and what its increments feed."""

    key: str
    indices: tuple[int, ...]
    scale: float
    atoms: tuple[Atom, ...]
    created: int | None

    def reading(self, raw: tuple[float, ...]) -> Reading | None:
        """Its raw values, `_created` last if it has one, as whole numbers; None where they are no counter's."""
        own = len(self.indices)
        numbers = cumulative(raw[:own], self.scale)
        return None if numbers is None else Reading(numbers, raw[own] if self.created is not None else None)


class GaugeSlot(NamedTuple):
    """A raw gauge: the value, or with `rest` its share of the whole that they make together, if the first is known."""

    at: int
    rest: tuple[int, ...]
    scale: float
    atom: Atom


class Coverage(NamedTuple):
    """A family of groups for which target-time is kept: those of a layer's signals, or those of one selector."""

    of: str
    layer: str
    groups: frozenset[Group]


@dataclass(frozen=True)
class Layout:
    """How one shape of page is read."""

    counters: tuple[CounterSlot, ...]
    gauges: tuple[GaugeSlot, ...]
    times: tuple[Atom, ...]
    process_start: int | None
    coverage: tuple[Coverage, ...]
    signals: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()

    @cached_property
    def by_key(self) -> Mapping[str, CounterSlot]:
        """The counters by their key."""
        return {slot.key: slot for slot in self.counters}

    @cached_property
    def work(self) -> frozenset[str]:
        """Keys of the counters that move while an engine works."""
        return frozenset(slot.key for slot in self.counters if any(a.measure.name in _WORK for a in slot.atoms))

    def read_counters(self, values: Sequence[float]) -> dict[str, Reading]:
        """The page's counters as whole numbers; one that is no number, or a histogram that shows more below a bound
        than above it, is left out, as if it were not there."""
        return CounterReader(self).read(values)

    def read_gauges(self, values: Sequence[float], blank_from: float) -> Iterable[tuple[Atom, float]]:
        """The page's gauges in their signal's unit; blanks and NaN are left out."""
        for slot in self.gauges:
            value = values[slot.at]
            if isnan(value) or value >= blank_from:
                continue
            if slot.rest:
                rest = [v for i in slot.rest if not isnan(v := values[i]) and v < blank_from]
                whole_ = value + sum(rest)
                if values[slot.rest[0]] not in rest or whole_ <= 0:
                    continue
                value /= whole_
            yield slot.atom, value * slot.scale


class CounterReader:
    """Reads a layout's counters page after page; what shows the same again is not worked out again."""

    def __init__(self, layout: Layout) -> None:
        self._slots = [(slot, _picker(slot)) for slot in layout.counters]
        self._before: list[tuple[tuple[float, ...], Reading | None]] = [((), None)] * len(self._slots)

    def read(self, values: Sequence[float]) -> dict[str, Reading]:
        """The page's counters by key, as `Layout.read_counters` says."""
        result: dict[str, Reading] = {}
        for place, (slot, pick) in enumerate(self._slots):
            raw = pick(values)
            before, reading = self._before[place]
            if raw != before:
                reading = slot.reading(raw)
                self._before[place] = raw, reading
            if reading is not None:
                result[slot.key] = reading
        return result


def _picker(slot: CounterSlot) -> Callable[[Sequence[float]], tuple[float, ...]]:
    """A counter's raw values of a page, `_created` last if there is one."""
    if len(slot.indices) == 1 and slot.created is None:
        (place,) = slot.indices
        return lambda values: (values[place],)
    return itemgetter(*slot.indices, *(() if slot.created is None else (slot.created,)))
