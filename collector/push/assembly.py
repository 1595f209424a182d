"""From samples that come in parts, in any order, to whole pages: what one target said at one time.

A sender spreads the samples of one scrape over several requests and connections, of which one may be far behind. So a
page waits until it is known to be whole:

- the sender tells how many samples the scrape had (`scrape_samples_post_metric_relabeling`), and so many are there; or
- it holds a sample or a stale marker of every series of the page before and no other, where the sender tells no number
  or is known to leave some out; or
- nothing more of it, nor of older pages, came for `settle` seconds, or it is open for five minutes: then it counts,
  without series that are new on it, if all of the page before are there. Else it is left out, and only teaches which
  series belong to the target.

The pages of one target are settled in the order of their times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from collector.promql.pages import Address
from collector.push.catalog import PushedSeries
from collector.synthetic import NAMES
from core.labels import Labels

_TOLD = "scrape_samples_post_metric_relabeling"
_BEGAN = "process_start_time_seconds"
_TIMES = 6
"""Pages from which a target's interval is learnt."""
_OTHERS_AFTER = 3
"""Intervals of silence after which a target may have other labels: until then, they are another target's."""
_UNKNOWN_INTERVAL = 60.0
_LONGEST = 300.0
"""Seconds for which a page stays open whatever comes: memory has a bound."""

Values = dict[PushedSeries, float | None]


class Verdict(Enum):
    """What becomes of a page."""

    WAITS = "waits"
    WHOLE = "whole"
    KNOWN = "known"
    """Its series that were known before count."""
    FAILED = "failed"
    """The sender could not scrape the target."""
    ENDED = "ended"
    """The sender has the target no more."""
    INCOMPLETE = "incomplete"
    STRAY = "stray"
    """Samples that have the time of no scrape."""
    OTHER_TARGET = "other_target"
    """Another target of the same job and instance, with other labels."""


COUNTED = (Verdict.WHOLE, Verdict.KNOWN, Verdict.FAILED)


class Part(NamedTuple):
    """One sample of a request; `time` in milliseconds, `value` None is a stale marker."""

    series: PushedSeries
    time: int
    value: float | None


class Settled(NamedTuple):
    """A page of which nothing more is waited for. `labels`: the target's, as its `up` tells them, None without one."""

    address: Address
    time: int
    verdict: Verdict
    values: Mapping[PushedSeries, float | None]
    labels: Labels | None


@dataclass
class OpenPage:
    """A page that more may come of. `opened`, `touched`: when its first and its last part came (Unix seconds)."""

    opened: float
    touched: float
    values: Values = field(default_factory=dict)
    requests: set[int] = field(default_factory=set)
    up: PushedSeries | None = None
    told: float | None = None
    have: int = 0

    def add(self, part: Part, request: int, now: float) -> bool:
        """Take in a part; False if it was there."""
        self.touched = now
        self.requests.add(request)
        if part.series in self.values:
            return False
        self.values[part.series] = part.value
        if part.series.name == "up":
            self.up = part.series
        elif part.series.name == _TOLD:
            self.told = part.value
        elif part.series.name not in NAMES and part.value is not None:
            self.have += 1
        return True

    def is_all(self) -> bool:
        """Whether the number of samples that the sender told of is there."""
        return self.up is not None and self.told is not None and self.have >= self.told

    def present(self) -> set[PushedSeries]:
        """The series that go on."""
        return {one for one, value in self.values.items() if value is not None}


@dataclass
class OpenTarget:
    """What is known of a target. `settled`: the time of its last page that is (milliseconds); `shape`: the series that
    its next page is expected to have; `short`: its pages have fewer samples than the sender tells of."""

    settled: int = 0
    pages: dict[int, OpenPage] = field(default_factory=dict)
    shape: set[PushedSeries] = field(default_factory=set)
    short: bool = False
    up: PushedSeries | None = None
    arrived: float = 0.0
    _late: float = 0.0
    _times: deque[int] = field(default_factory=lambda: deque(maxlen=_TIMES))

    @property
    def interval(self) -> float | None:
        """Usual seconds between two pages, None before there are two."""
        steps = [later - earlier for earlier, later in pairwise(self._times)]
        return median(steps) / 1000 if steps else None

    def late(self, part: Part, now: float) -> None:
        """A part of a page that is settled: the newest page's tell which series belong to the target."""
        self._late = now
        if part.time == self.settled and self.shape:
            (self.shape.discard if part.value is None else self.shape.add)(part.series)

    def judge(self, time: int, page: OpenPage, now: float, settle: float) -> Verdict:
        """What becomes of its oldest page."""
        if page.up is not None and self._is_other(page.up, time):
            return Verdict.OTHER_TARGET
        if page.up is not None and not page.values[page.up]:
            return Verdict.ENDED if page.values[page.up] is None else Verdict.FAILED
        known = bool(self.shape) and self.shape <= page.values.keys()
        same = known and len(page.values) == len(self.shape)
        if page.is_all() or (same and (page.told is None or self.short)):
            return Verdict.WHOLE
        if now - max(page.touched, self._late) < settle and now - page.opened < _LONGEST:
            return Verdict.WAITS
        if self.up is not None and page.up is None:
            return Verdict.STRAY
        return Verdict.KNOWN if known else Verdict.INCOMPLETE

    def settle(self, time: int, page: OpenPage, verdict: Verdict) -> None:
        """Remember what a page teaches."""
        self.settled = time
        if verdict is Verdict.ENDED:
            self.shape, self.up = set(), None
        elif verdict not in (Verdict.STRAY, Verdict.OTHER_TARGET):
            self.up = page.up or self.up
            self._times.append(time)
            if verdict is not Verdict.FAILED:
                self.short = page.told is not None and page.have < page.told
                self.shape = page.present()

    def _is_other(self, up: PushedSeries, time: int) -> bool:
        if self.up is None or up is self.up:
            return False
        silent = (time - (self._times[-1] if self._times else 0)) / 1000
        return silent <= _OTHERS_AFTER * (self.interval or _UNKNOWN_INTERVAL)


@dataclass
class Assembly:
    """The open pages of all targets. `settle` in seconds; `at_once`: pages are whole when nothing more comes for so
    long, whatever was on the pages before."""

    settle: float
    at_once: bool = False
    targets: dict[Address, OpenTarget] = field(default_factory=dict)
    samples: int = 0
    """Samples on open pages."""
    _uses: dict[int, int] = field(default_factory=dict)
    _done: set[int] = field(default_factory=set)

    def is_open(self, part: Part) -> bool:
        """Whether a sample is of a page that is not settled yet."""
        target = self.targets.get(part.series.address)
        return target is None or part.time > target.settled

    def add(self, request: int, parts: Iterable[Part], now: float) -> int:
        """Take in the samples of a request; how many are of no open page, or were there."""
        old = 0
        self._uses.setdefault(request, 0)
        for part in parts:
            target = self.targets.setdefault(part.series.address, OpenTarget())
            if part.time <= target.settled:
                target.late(part, now)
                old += 1
                continue
            target.arrived = now
            old += not self._put(target, part, request, now)
        if not self._uses[request]:
            self._end(request)
        return old

    def ready(self, now: float) -> list[Settled]:
        """The pages that are settled by now, in the order of their times."""
        found = [page for address in list(self.targets) for page in self._settle(address, now)]
        return sorted(found, key=lambda page: page.time)

    def take_done(self) -> set[int]:
        """Requests of which no page is open any more."""
        done, self._done = self._done, set()
        return done

    def give_back(self, done: Iterable[int]) -> None:
        """They could not be forgotten yet."""
        self._done.update(done)

    def _put(self, target: OpenTarget, part: Part, request: int, now: float) -> bool:
        page = target.pages.get(part.time)
        if page is None:
            page = target.pages[part.time] = OpenPage(now, now)
        self._uses[request] += request not in page.requests
        fresh = page.add(part, request, now)
        self.samples += fresh
        return fresh

    def _settle(self, address: Address, now: float) -> Iterable[Settled]:
        target = self.targets[address]
        for time in sorted(target.pages):
            page = target.pages[time]
            verdict = self._judge(target, time, now)
            if verdict is Verdict.WAITS:
                return
            values = self._counted(target, page, verdict)
            target.settle(time, page, verdict)
            del target.pages[time]
            self._close(page)
            labels = None if target.up is None else tuple(p for p in target.up.labels if p[0] != "__name__")
            yield Settled(address, time, verdict, values, labels)

    def _counted(self, target: OpenTarget, page: OpenPage, verdict: Verdict) -> Values:
        if verdict is Verdict.KNOWN:
            return {one: value for one, value in page.values.items() if one in target.shape}
        if self.at_once and target.settled:  # series tell when they began; only of a new target is more to be known
            return {one: value for one, value in page.values.items() if one.name != _BEGAN}
        return page.values

    def _judge(self, target: OpenTarget, time: int, now: float) -> Verdict:
        page = target.pages[time]
        if not self.at_once:
            return target.judge(time, page, now, self.settle)
        return Verdict.WHOLE if now - page.touched >= self.settle else Verdict.WAITS

    def _close(self, page: OpenPage) -> None:
        self.samples -= len(page.values)
        for request in page.requests:
            self._uses[request] -= 1
            if not self._uses[request]:
                self._end(request)

    def _end(self, request: int) -> None:
        del self._uses[request]
        self._done.add(request)
