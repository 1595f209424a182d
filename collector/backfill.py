"""A selector that is new in the plan counts from the recent series, as far back as they reach.

Each target's raw samples go through the same counter rules as its pages did, under a source of their own, so that
nothing is counted twice; then the live counter takes over the last values, and its next scrape goes on from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from collector.counting import SourceCounter
from collector.increments import Last
from collector.target import Counting, TargetReader
from core.labels import Labels, without_target
from core.matchers import Matcher, Selector
from storage.database import Database
from storage.ledger import rows
from storage.plan import MeasurePlan, SelectorMeasure
from storage.series import SeriesReader, is_stale
from storage.series.arrays import Floats

_IDENTITY = frozenset({"job", "instance"})
_ALWAYS = ("process_start_time_seconds",)


class Raw(NamedTuple):
    """A series of a page."""

    name: str
    labels: Labels


class RawPage(NamedTuple):
    """What a target said at one moment, as far as the selectors look at it."""

    series: Sequence[Raw]
    values: Sequence[float]

    @property
    def numbers(self) -> Floats:
        """The values as an array."""
        return np.array(self.values, np.float64)


class Past(NamedTuple):
    """A target's counted past: its counter, to be committed, and the values to go on from."""

    key: str
    counter: SourceCounter
    values: Mapping[str, Last]


def count_past(
    database: Database,
    reader: SeriesReader,
    live: TargetReader,
    url: str,
    added: Sequence[SelectorMeasure],
    revision: int,
    now: float,
) -> Past | None:
    """Count what the recent series still know of the added selectors at one target; None when they know nothing."""
    pages = dict(_pages(reader, live.names.fixed, added, now))
    if not pages:
        return None
    key = f"{url} plan {revision}"
    checkpoint = rows.open_source(database, "recent", key, now)
    counter = SourceCounter(checkpoint, live.counter.interval, live.counter.watched_since)
    counter.discovered(min(pages))
    past = TargetReader(
        counter, live.names.fixed, Counting((), MeasurePlan(revision=revision, selectors=tuple(added)), signals=False)
    )
    for time in sorted(pages):
        past.page(pages[time], time, now)
    state = counter.state
    return Past(key, counter, state.every() if state is not None else {})


def _pages(
    reader: SeriesReader, target: Labels, added: Sequence[SelectorMeasure], now: float
) -> Iterable[tuple[float, RawPage]]:
    wanted = dict(target)
    if not wanted.keys() >= _IDENTITY:
        return  # its series cannot be told from those of other targets
    own = tuple(Matcher(name, "=", wanted[name]) for name in sorted(_IDENTITY))
    moments: dict[int, tuple[list[Raw], list[float]]] = {}
    for selector in _selectors(added, own):
        for series in reader.select(selector, 0, round(now * 1000)):
            raw = Raw(dict(series.labels)["__name__"], without_target(series.labels, wanted))
            fresh = ~is_stale(series.values)
            for time, value in zip(series.times[fresh].tolist(), series.values[fresh].tolist(), strict=True):
                page = moments.setdefault(time, ([], []))
                page[0].append(raw)
                page[1].append(value)
    for time, (found, values) in moments.items():
        yield time / 1000, RawPage(found, values)


def _selectors(added: Sequence[SelectorMeasure], own: tuple[Matcher, ...]) -> Iterable[Selector]:
    """The raw series that the selectors could match at this target; which do is decided by their layout."""
    seen: set[Selector] = set()
    for item in added:
        parsed = item.parsed()
        if not parsed.metric:
            continue
        suffixes = ("_bucket", "_created") if item.kind == "histogram" else ("",)
        seen |= {Selector(parsed.metric + suffix, own) for suffix in suffixes}
    return [*seen, *(Selector(name, own) for name in _ALWAYS)] if seen else []
