"""One target's reading: page → layout → increments → measures. The same path serves scrapes, replays and back-fills."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol

from collector.counting import CountedPage, Outcome, SourceCounter
from collector.increments import Page
from collector.layout_build import LayoutBuilder
from collector.layouts import LayoutKeeper
from collector.measures import Layout, RawSeries
from collector.page_labels import NO_LIMITS, LabelLimits, PageLabels
from collector.pods import Pods
from collector.profiles import profiles
from collector.profiles.model import Profile
from collector.relabel import Rule
from core.labels import Labels
from core.measures import Group
from storage.plan import MeasurePlan
from storage.series.arrays import Floats


class PageValues(Protocol):
    """What a page reader gives."""

    @property
    def series(self) -> Sequence[RawSeries]: ...

    @property
    def numbers(self) -> Floats: ...


class Counting(NamedTuple):
    """How the fleet counts: its dimensions, the selectors beyond the signals, whether signals are counted too, and what
    its pods serve."""

    dimensions: tuple[str, ...]
    plan: MeasurePlan
    signals: bool = True
    pods: Pods = MappingProxyType({})


class Unread(NamedTuple):
    """Keys of counters without a number that a counter can have, and signals of gauges without a value."""

    counters: tuple[str, ...]
    gauges: tuple[str, ...]


_ALL_READ = Unread((), ())


@dataclass
class TargetReader:
    """Feeds one target's pages into its counter. `names` says what the series of its pages are called."""

    counter: SourceCounter
    labels: Labels
    counting: Counting
    rules: tuple[Rule, ...] = ()
    limits: LabelLimits = NO_LIMITS
    profile: Profile | None = None
    layout: Layout | None = None
    """How the last page was read, of those values that it reads; None until the next page."""
    unread: Unread = _ALL_READ
    """What of the last page was as if it were not there."""
    _keeper: LayoutKeeper | None = None
    _revision: str = ""

    def __post_init__(self) -> None:
        self.names = PageLabels(self.rules, self.limits, self.labels)

    def page(self, reading: PageValues, time: float, now: float, since: float | None = None) -> Outcome:
        """Count a good page of this `time`; `since`: its counters tell what was added since then."""
        layout, values = self._fitted(reading)
        start = float(values[layout.process_start]) if layout.process_start is not None else None
        blank_from = self.profile.blank_from if self.profile is not None else float("inf")
        counters = layout.columns.read(values)
        page = Page(time, counters, start, complete=True, revision=self._revision)
        gauges = tuple(layout.read_gauges(values, blank_from))
        unread = layout.unread_gauges(values, blank_from) if len(gauges) < len(layout.gauges) else ()
        refused = (
            [key for key in layout.columns.index if key not in counters] if len(counters) < len(layout.counters) else ()
        )
        self.unread = Unread(tuple(refused), tuple(unread))
        return self.counter.accept(CountedPage(page, layout, gauges, since), now)

    def recount(self, labels: Labels, counting: Counting) -> None:
        """Count under other labels or another plan from the next page on."""
        if (labels, counting) != (self.labels, self.counting):
            if labels != self.labels:
                self.names = PageLabels(self.rules, self.limits, labels)
            self.labels, self.counting, self.layout, self._keeper = labels, counting, None, None

    def groups(self) -> list[Group]:
        """The groups that the target counts in; before its first page, what its own labels tell."""
        known = {group for family in self.counter.coverage if not family.of for group in family.groups}
        return sorted(known or {self._builder(None, self.labels).fallback_group()})

    def signals(self) -> list[str]:
        """The signals that the target's last page carried; cost where GPU time has a price."""
        if self.layout is None:
            return []
        priced = self.layout.times and self.counter.gpu_microdollars_per_hour
        return sorted({*self.layout.signals, *(("cost",) if priced else ())})

    def _fitted(self, reading: PageValues) -> tuple[Layout, Floats]:
        """The page's layout and the values that it reads."""
        if self._keeper is None:
            self._keeper = LayoutKeeper(partial(self._builder, labels=self.names.fixed), signals=self.counting.signals)
        fit = self._keeper.fit(reading.series)
        if fit.layout is not self.layout:
            self.profile, self.layout = fit.profile, fit.layout
            self._revision = _revision(self.profile, self.counting, self.names.revision)
        return fit.layout, fit.values(reading.numbers)

    def _builder(self, profile: Profile | None, labels: Labels) -> LayoutBuilder:
        counting = self.counting
        return LayoutBuilder(profile, dict(labels), counting.dimensions, counting.plan, counting.pods)


def _revision(profile: Profile | None, counting: Counting, relabelling: str) -> str:
    """A series that is new under another revision begins with a baseline; labels are not part of it, since a target is
    its URL, unless rules may look at them."""
    plan = [item.name for item in counting.plan.selectors]
    parts = (_revisions(profile), plan, *((relabelling,) if relabelling else ()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _revisions(profile: Profile | None) -> str:
    """Of the profile and of those that may stand beside it on its page."""
    if profile is None:
        return ""
    return " ".join((profile.revision, *(other.revision for other in profiles() if other.engine in profile.beside)))
