"""Reading recent series from any process, while others write, compact and delete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.errors import StorageBusy
from core.labels import Labels
from core.matchers import Selector
from storage.series.arrays import Floats, Ints, offsets
from storage.series.cache import ByteCache
from storage.series.dictionary import series_order
from storage.series.disk import storage_errors
from storage.series.layout import current_files
from storage.series.samples import Samples
from storage.series.source import Access, Source, Span, locate, open_source, read_series
from storage.series.stale import is_stale

CACHE_BYTES = 64 << 20
"""Fifteen minutes of 10,000 series at 15 s take 7 MB of decoded blocks."""

_ATTEMPTS = 20
_log = logging.getLogger(__name__)
_Found = TypeVar("_Found")


@dataclass(frozen=True, eq=False)
class SeriesData:
    """One series: `times` (int64, Unix ms, ascending, unique) and `values` (float64), both of shape (n,)."""

    labels: Labels
    times: Ints
    values: Floats

    def without_stale(self) -> SeriesData:
        """The same without stale markers; may be empty."""
        keep = ~is_stale(self.values)
        return SeriesData(self.labels, self.times[keep], self.values[keep])


class SeriesReader:
    """Reads the store in `directory`, which need not exist yet; may be used by several threads."""

    def __init__(self, directory: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self._directory = directory
        self._reported: set[str] = set()
        self._access = Access(ByteCache(cache_bytes), self._report)

    def select(self, selector: Selector, start_ms: int, end_ms: int, limit: int | None = None) -> list[SeriesData]:
        """Every series that fits and has samples in (start, end], by metric and labels, stale markers included.

        At most `limit` series: ask for one more than you show to learn whether there are more.
        Raises StorageError if the files cannot be read. Damaged parts are left out and logged once.
        """
        span = Span(start_ms, end_ms)
        return self._look(lambda: self._select(selector, span, limit))

    def label_values(self, name: str, start_ms: int, end_ms: int) -> list[str]:
        """The sorted values of a label among series of the two-hour windows that (start, end] touches."""
        span = Span(start_ms, end_ms)
        return self._look(lambda: self._label_values(name, span))

    def _look(self, read: Callable[[], _Found]) -> _Found:
        """A file may vanish between the listing and the reading: what replaced it is then in the next listing."""
        for _ in range(_ATTEMPTS):
            with storage_errors("read"):
                try:
                    return read()
                except FileNotFoundError:
                    continue
        raise StorageBusy(f"recent series: files in {self._directory} vanish faster than they can be read")

    def _select(self, selector: Selector, span: Span, limit: int | None) -> list[SeriesData]:
        sources = self._sources(span)
        found = locate(sources, selector)
        result: list[SeriesData] = []
        for batch in _batches(sorted(found, key=series_order), limit):
            result += _split(batch, read_series(sources, [found[labels] for labels in batch], span, self._access))
            if limit is not None and len(result) >= limit:
                return result[:limit]
        return result

    def _label_values(self, name: str, span: Span) -> list[str]:
        dictionaries = [series for source in self._sources(span) for series in source.dictionaries]
        return sorted(set().union(*(series.label_values(name) for series in dictionaries)))

    def _sources(self, span: Span) -> list[Source]:
        touched = [
            file
            for file in current_files(self._directory)
            if file.window * 1000 <= span.end and span.start < file.end * 1000 - 1
        ]
        opened = [open_source(self._directory, file, self._access) for file in touched]
        return [source for source in opened if source is not None]

    def _report(self, what: str) -> None:
        if what not in self._reported:
            self._reported.add(what)
            _log.warning("recent series in %s: damaged and left out: %s", self._directory, what)


def _batches(ordered: list[Labels], limit: int | None) -> Iterator[list[Labels]]:
    """As many as may be returned, then twice as many: series without samples in the span do not count to the limit."""
    size = len(ordered) if limit is None else limit
    at = 0
    while at < len(ordered) and size > 0:
        yield ordered[at : at + size]
        at += size
        size *= 2


def _split(series: Sequence[Labels], settled: Samples) -> list[SeriesData]:
    bounds = offsets(np.bincount(settled.slots, minlength=len(series))).tolist()
    values = settled.bits.view(np.float64)
    return [
        SeriesData(labels, settled.times[a:b], values[a:b])
        for labels, (a, b) in zip(series, pairwise(bounds), strict=True)
        if a < b
    ]
