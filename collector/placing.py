"""Where the events of a span of time belong: the rows of the ledger that they are shared over."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from collector.counters import LARGEST
from core.buckets import spread, start_of, tier_of_age
from storage.ledger.rows import RowKey
from storage.series.arrays import Ints


class Span:
    """The time from one sight of a counter to the next, in Unix seconds; `now` tells which tiers still hold it."""

    def __init__(self, begin: float, end: float, now: float) -> None:
        self.times = (begin, end, now)
        self._begin_ms, self._end_ms = round(begin * 1000), round(end * 1000)
        self._tier = tier_of_age(end, now)
        self._one_tier = self._tier is tier_of_age(begin, now)
        self._row = self._only_row()

    @property
    def milliseconds(self) -> int:
        """Its length."""
        return self._end_ms - self._begin_ms

    def place(self, n: int) -> Iterable[tuple[RowKey, int]]:
        """Share events over buckets of the width that each bucket's age still has: whole parts whose sum is `n`."""
        return ((self._row, n),) if self._row is not None else self._shared(n)

    def place_all(self, counts: Ints) -> Iterable[tuple[RowKey, Ints]]:
        """As `place`, for many counts at once."""
        if self._row is not None:
            yield self._row, counts
            return
        length, given = self.milliseconds, np.zeros_like(counts)
        wide = int(counts.max(initial=0)) * length > LARGEST
        numbers = counts.astype(object) if wide else counts
        for key, elapsed in self._shares:
            upto = (numbers * elapsed // length).astype(np.int64)
            yield key, upto - given
            given = upto

    @cached_property
    def _shares(self) -> list[tuple[RowKey, int]]:
        """The rows of the buckets that it touches, and how much of it has elapsed at the end of each."""
        width_ms = self._tier.width * 1000
        last = (self._end_ms - 1) // width_ms
        buckets = range(self._begin_ms // width_ms, last + 1)
        elapsed = [min((bucket + 1) * width_ms, self._end_ms) - self._begin_ms for bucket in buckets]
        return [(self._row_at(bucket * self._tier.width), ms) for bucket, ms in zip(buckets, elapsed, strict=True)]

    def _only_row(self) -> RowKey | None:
        """The row that takes everything: most spans lie in one bucket, where nothing has to be shared."""
        width_ms = self._tier.width * 1000
        last = (self._end_ms - 1) // width_ms
        inside = self._one_tier and self._begin_ms // width_ms == last
        return self._row_at(last * self._tier.width) if inside or self.milliseconds <= 0 else None

    def _shared(self, n: int) -> Iterable[tuple[RowKey, int]]:
        for bucket, part in spread(n, self._begin_ms, self._end_ms, self._tier.width):
            yield self._row_at(bucket), part

    def _row_at(self, bucket: int) -> RowKey:
        """The row that keeps what belongs to a bucket."""
        if self._one_tier:
            return RowKey(self._tier.width, bucket)
        width = tier_of_age(bucket + self._tier.width, self.times[2]).width
        return RowKey(width, start_of(bucket, width))
