"""One target's reading: page → layout → increments → measures. The same path serves scrapes, replays and back-fills."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from collector.counting import CountedPage, Outcome, SourceCounter
from collector.increments import Page
from collector.measures import Layout, LayoutBuilder, RawSeries
from collector.profiles.identify import recognise
from collector.profiles.model import Profile
from core.labels import Labels
from core.measures import Group
from storage.plan import MeasurePlan


class PageValues(Protocol):
    """What a page reader gives."""

    @property
    def series(self) -> Sequence[RawSeries]: ...

    @property
    def values(self) -> Sequence[float]: ...


class Counting(NamedTuple):
    """How the fleet counts: its dimensions, the selectors beyond the signals, and whether signals are counted too."""

    dimensions: tuple[str, ...]
    plan: MeasurePlan
    signals: bool = True


@dataclass
class TargetReader:
    """Feeds one target's pages into its counter."""

    counter: SourceCounter
    labels: Labels
    counting: Counting
    profile: Profile | None = None
    layout: Layout | None = None
    _series: Sequence[RawSeries] = field(default_factory=list)
    _revision: str = ""

    def page(self, reading: PageValues, time: float, now: float) -> Outcome:
        """Count a good page that was scraped at `time`."""
        layout = self._layout_of(reading.series)
        start = reading.values[layout.process_start] if layout.process_start is not None else None
        blank_from = self.profile.blank_from if self.profile is not None else float("inf")
        page = Page(time, layout.read_counters(reading.values), start, complete=True, revision=self._revision)
        gauges = tuple(layout.read_gauges(reading.values, blank_from))
        return self.counter.accept(CountedPage(page, layout, gauges), now)

    def recount(self, labels: Labels, counting: Counting) -> None:
        """Count under other labels or another plan from the next page on."""
        if (labels, counting) != (self.labels, self.counting):
            self.labels, self.counting, self.layout = labels, counting, None

    def groups(self) -> list[Group]:
        """The groups that the target counts in; before its first page, what its own labels tell."""
        known = {group for family in self.counter.coverage if not family.of for group in family.groups}
        return sorted(known or {self._builder(None).fallback_group()})

    def signals(self) -> list[str]:
        """The signals that the target's last page carried; cost where GPU time has a price."""
        if self.layout is None:
            return []
        priced = self.layout.times and self.counter.gpu_microdollars_per_hour
        return sorted({*self.layout.signals, *(("cost",) if priced else ())})

    def _layout_of(self, series: Sequence[RawSeries]) -> Layout:
        if self.layout is None or not _same(series, self._series):
            self.profile = recognise({one.name for one in series})[0] if self.counting.signals else None
            self.layout = self._builder(self.profile).build(series)
            self._series = series
            self._revision = _revision(self.profile, self.counting)
        return self.layout

    def _builder(self, profile: Profile | None) -> LayoutBuilder:
        return LayoutBuilder(profile, dict(self.labels), self.counting.dimensions, self.counting.plan)


def _same(left: Sequence[RawSeries], right: Sequence[RawSeries]) -> bool:
    """Whether two pages have the same series in the same order; a reader hands out the same objects again."""
    return left is right or (len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True)))


def _revision(profile: Profile | None, counting: Counting) -> str:
    """A series that is new under another revision begins with a baseline; labels are not part of it, since a target is
    its URL."""
    plan = [item.name for item in counting.plan.selectors]
    return hashlib.sha256(repr((profile.revision if profile else "", plan)).encode()).hexdigest()[:12]
