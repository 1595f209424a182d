"""Settled pages as the targets' counters take them, with the series called as their targets wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collector.exposition import Series
from collector.promql.pages import Address, Span, TargetPage
from collector.push.assembly import Settled, Verdict
from collector.push.catalog import PushedSeries
from collector.replay import Samples
from collector.synthetic import NAMES
from core.labels import Labels, make, without_target

SINCE = "__since__"
"""The series that says since when the counters of a page tell what was added (Unix seconds)."""
_APART = frozenset({*NAMES, SINCE})
_SPARE = 1000
"""Names of series that are remembered beyond those of the last page."""


@dataclass
class _Names:
    """The series of one target without its labels; the same objects from page to page, by which layouts are kept."""

    target: Labels
    own: dict[PushedSeries, Series] = field(default_factory=dict)

    def of(self, series: Iterable[PushedSeries]) -> list[Series]:
        labels = dict(self.target)
        return [
            self.own.get(one) or self.own.setdefault(one, Series(one.name, without_target(one.labels, labels)))
            for one in series
        ]

    def trim(self, kept: list[PushedSeries]) -> None:
        if len(self.own) > len(kept) + _SPARE:
            self.own = {one: self.own[one] for one in kept}


@dataclass
class PageMaker:
    """Makes pages of what is settled."""

    _names: dict[Address, _Names] = field(default_factory=dict)

    def spans(self, settled: Iterable[Settled], intervals: Mapping[Address, float | None]) -> list[Span]:
        """The pages of each target, with its usual interval (seconds)."""
        pages: dict[Address, list[TargetPage]] = {}
        scraped: dict[Address, bool] = {}
        for one in settled:
            pages.setdefault(one.address, []).append(self._page(one))
            scraped[one.address] = one.labels is not None
        return [Span(address, own, scraped[address], intervals.get(address), 0) for address, own in pages.items()]

    def forget(self, address: Address) -> None:
        """The target has left."""
        self._names.pop(address, None)

    def _page(self, settled: Settled) -> TargetPage:
        address = settled.address
        target = settled.labels or make({"job": address.job, "instance": address.instance})
        if settled.verdict is Verdict.FAILED:
            return TargetPage(address, target, settled.time / 1000, None)
        names = self._names.get(address)
        if names is None or names.target != target:
            names = self._names[address] = _Names(target)
        values = {s: v for s, v in settled.values.items() if v is not None and s.name not in _APART}
        shown = sorted(values, key=lambda series: series.order)
        page = Samples(names.of(shown), [values[one] for one in shown])
        names.trim(shown)
        since = next((v for s, v in settled.values.items() if s.name == SINCE), None)
        return TargetPage(address, target, settled.time / 1000, page, since)
