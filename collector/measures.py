"""From a page's series to what they count: the layout of a page, made once for each shape it takes.

A layout says which raw values are counters (and which atoms of the ledger each feeds), which are gauges, which series
tells when the process began, and in which groups the target therefore counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import NamedTuple, Protocol

from collector.counters import Columns, CounterSlot
from core.labels import Labels
from core.measures import Group
from storage.ledger.dictionary import Atom
from storage.series.arrays import Floats, Ints

_WORK = ("requests", "generation_tokens")
"""Signals that move while an engine works."""


class RawSeries(Protocol):
    """A series of a page: its metric name and its labels without `__name__`."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Labels: ...


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
    def columns(self) -> Columns:
        """The counters as columns."""
        return Columns(self.counters)

    @cached_property
    def work(self) -> frozenset[str]:
        """Keys of the counters that move while an engine works."""
        return frozenset(slot.key for slot in self.counters if any(a.measure.name in _WORK for a in slot.atoms))

    @cached_property
    def worked(self) -> Ints:
        """Where in the columns the last values of those counters stand."""
        ends = self.columns.firsts[1:] - 1
        return ends[[place for place, slot in enumerate(self.counters) if slot.key in self.work]]

    def read_gauges(self, values: Floats, blank_from: float) -> Iterable[tuple[Atom, float]]:
        """The page's gauges in their signal's unit; blanks and NaN are left out."""
        for slot in self.gauges:
            value = float(values[slot.at])
            if isnan(value) or value >= blank_from:
                continue
            if slot.rest:
                rest = [v for i in slot.rest if not isnan(v := float(values[i])) and v < blank_from]
                whole_ = value + sum(rest)
                if values[slot.rest[0]] not in rest or whole_ <= 0:
                    continue
                value /= whole_
            yield slot.atom, value * slot.scale
