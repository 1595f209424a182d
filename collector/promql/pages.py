"""From raw series to what each target said at each of its scrapes.

Prometheus gives all samples of one scrape one time, and writes `up` beside them with exactly the target's labels: so a
page is what has the time of a sample of `up`, and its labels without the target's are those that the target wrote. A
target without `up` (pushed, or imported) is told by `job` and `instance`; each of its times is a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from collector.exposition import Series
from collector.promql.api import Stream
from collector.replay import Samples
from collector.synthetic import NAMES
from core.labels import Labels, make, without_target


class Address(NamedTuple):
    """By what a target is told from others in one server."""

    instance: str
    job: str


class TargetPage(NamedTuple):
    """What a target said at one time (Unix seconds): `labels` are the target's, `page` None is a failed scrape.

    `since`: its counters tell what was added since then; None: they are cumulative.
    """

    address: Address
    labels: Labels
    time: float
    page: Samples | None
    since: float | None = None


class Span(NamedTuple):
    """What a server told of one target over one span of time.

    `scraped`: whether its scrapes are known by `up`; `interval`: between two pages (seconds), as far as this span
    tells; `strays`: samples that belong to no scrape.
    """

    address: Address
    pages: list[TargetPage]
    scraped: bool
    interval: float | None
    strays: int


@dataclass
class _Moment:
    labels: Labels | None = None
    up: float | None = None
    series: list[Series] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class PageMaker:
    """Makes pages; series that come again in the next answer are the same objects, by which layouts are kept."""

    def __init__(self) -> None:
        self._before: dict[tuple[Labels, Labels], Series] = {}
        self._now: dict[tuple[Labels, Labels], Series] = {}

    def read(self, streams: Iterable[Stream], known: Mapping[Address, Labels]) -> list[Span]:
        """The pages of every target in an answer. `known`: labels of targets whose `up` was seen before."""
        by_address: dict[Address, list[Stream]] = {}
        for stream in {one.labels: one for one in streams}.values():  # a series that two selectors gave is one
            by_address.setdefault(address_of(stream.labels), []).append(stream)
        self._before, self._now = self._now, {}
        return [self._span(address, own, known.get(address)) for address, own in sorted(by_address.items())]

    def _span(self, address: Address, streams: Sequence[Stream], known: Labels | None) -> Span:
        ups = [stream for stream in streams if _name(stream) == "up"]
        moments: dict[int, _Moment] = {}
        for stream in ups:
            target = _unnamed(stream.labels)
            for time, value in zip(stream.times, stream.values, strict=True):
                moments[time] = _Moment(target, value)
        scraped = bool(ups) or known is not None
        target = known or make({"job": address.job, "instance": address.instance})
        strays = self._fill(moments, streams, target, scraped=scraped)
        pages = [_page(address, moments[time], time, target) for time in sorted(moments)]
        return Span(address, pages, scraped, _usual(sorted(moments)), strays)

    def _fill(self, moments: dict[int, _Moment], streams: Sequence[Stream], target: Labels, *, scraped: bool) -> int:
        """Put samples where they belong; how many belong nowhere."""
        strays = 0
        for stream in sorted((one for one in streams if _name(one) not in NAMES), key=lambda one: one.labels):
            for time, value in zip(stream.times, stream.values, strict=True):
                moment = moments.get(time) if scraped else moments.setdefault(time, _Moment())
                if moment is None:
                    strays += 1
                    continue
                moment.series.append(self._series(stream.labels, moment.labels or target))
                moment.values.append(value)
        return strays

    def _series(self, labels: Labels, target: Labels) -> Series:
        key = labels, target
        if key not in self._now:
            self._now[key] = self._before.get(key) or _bare(labels, dict(target))
        return self._now[key]


def address_of(labels: Labels) -> Address:
    """The target that a series belongs to."""
    named = dict(labels)
    return Address(named.get("instance", ""), named.get("job", ""))


def _bare(labels: Labels, target: Mapping[str, str]) -> Series:
    return Series(dict(labels)["__name__"], without_target(labels, target))


def _page(address: Address, moment: _Moment, time: int, target: Labels) -> TargetPage:
    failed = moment.up == 0
    content = None if failed else Samples(moment.series, moment.values)
    return TargetPage(address, moment.labels or target, time / 1000, content)


def _name(stream: Stream) -> str:
    return dict(stream.labels)["__name__"]


def _unnamed(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "__name__")


def _usual(times: Sequence[int]) -> float | None:
    steps = [b - a for a, b in pairwise(times)]
    return median(steps) / 1000 if steps else None
