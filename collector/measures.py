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
from core.measures import Group, Measure
from core.signals import SIGNALS
from storage.ledger.dictionary import Atom
from storage.series.arrays import Floats, Ints

_OUTCOMES_OF_WORK = ("good", "excluded")
"""A failure is no work: an engine that is dead behind a living server may still be answered for."""


class RawSeries(Protocol):
    """A series of a page: its metric name and its labels without `__name__`."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Labels: ...


class GaugeSlot(NamedTuple):
    """A raw gauge: the value, or with `rest` its share of the whole that they make together, if the first is known.

    `others`: the same gauge as other processes of one engine have it. Each tells its part of a number; of a share only
    one of them tells more than the zero that it began with, so the greatest counts.
    """

    at: int
    rest: tuple[int, ...]
    scale: float
    atom: Atom
    others: tuple[int, ...] = ()

    def value(self, values: Floats, blank_from: float) -> float | None:
        """In the signal's unit; None where it is blank or no number."""
        if self.others:
            known = [v for i in (self.at, *self.others) if _known(v := float(values[i]), blank_from)]
            joined = max if SIGNALS[self.atom.measure.name].unit == "share" else sum
            return joined(known) * self.scale if known else None
        value = float(values[self.at])
        if not _known(value, blank_from):
            return None
        if self.rest:
            rest = [v for i in self.rest if _known(v := float(values[i]), blank_from)]
            whole = value + sum(rest)
            if values[self.rest[0]] not in rest or whole <= 0:
                return None
            value /= whole
        return value * self.scale


def _known(value: float, blank_from: float) -> bool:
    return not isnan(value) and value < blank_from


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
    per_pid: tuple[str, ...] = ()
    """Metrics of which the page has a series for each process."""

    @cached_property
    def columns(self) -> Columns:
        """The counters as columns."""
        return Columns(self.counters)

    @cached_property
    def work(self) -> frozenset[str]:
        """Keys of the counters that move while an engine works."""
        return frozenset(slot.key for slot in self.counters if any(_is_work(a.measure) for a in slot.atoms))

    @cached_property
    def worked(self) -> Ints:
        """Where in the columns the values of those counters stand."""
        return self._places_of(self.work)

    @cached_property
    def finished(self) -> frozenset[str]:
        """Keys of the counters of requests that ended well."""
        return frozenset(slot.key for slot in self.counters if any(_ended_well(a.measure) for a in slot.atoms))

    @cached_property
    def ended_well(self) -> Ints:
        """Where in the columns the values of those counters stand."""
        return self._places_of(self.finished)

    def _places_of(self, keys: frozenset[str]) -> Ints:
        """The place of each counter's last value."""
        ends = self.columns.firsts[1:] - 1
        return ends[[place for place, slot in enumerate(self.counters) if slot.key in keys]]

    def read_gauges(self, values: Floats, blank_from: float) -> Iterable[tuple[Atom, float]]:
        """The page's gauges in their signal's unit; blanks and NaN are left out."""
        for slot in self.gauges:
            value = slot.value(values, blank_from)
            if value is not None:
                yield slot.atom, value

    def unread_gauges(self, values: Floats, blank_from: float) -> list[str]:
        """The measures of gauges that show no value."""
        return [slot.atom.measure.name for slot in self.gauges if slot.value(values, blank_from) is None]


def _is_work(measure: Measure) -> bool:
    """Whether it moves while an engine works."""
    return measure.name == "generation_tokens" or (
        measure.name == "requests" and dict(measure.attrs).get("outcome") in _OUTCOMES_OF_WORK
    )


def _ended_well(measure: Measure) -> bool:
    return measure.name == "requests" and ("outcome", "good") in measure.attrs
