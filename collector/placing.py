"""Where the events of a span of time belong: the rows of the ledger that they are shared over."""

from __future__ import annotations

from collections.abc import Iterable

from core.buckets import spread, start_of, tier_of_age
from storage.ledger.rows import RowKey


class Span:
    """The time from one sight of a counter to the next, in Unix seconds; `now` tells which tiers still hold it."""

    def __init__(self, begin: float, end: float, now: float) -> None:
        self.times = (begin, end, now)
        self._begin_ms, self._end_ms = round(begin * 1000), round(end * 1000)
        self._tier = tier_of_age(end, now)
        self._one_tier = self._tier is tier_of_age(begin, now)
        self._row = self._only_row() if self._one_tier else None

    @property
    def milliseconds(self) -> int:
        """Its length."""
        return self._end_ms - self._begin_ms

    def place(self, n: int) -> Iterable[tuple[RowKey, int]]:
        """Share events over buckets of the width that each bucket's age still has: whole parts whose sum is `n`."""
        return ((self._row, n),) if self._row is not None else self._shared(n)

    def _only_row(self) -> RowKey | None:
        """The row that takes everything: most spans lie in one bucket, where nothing has to be shared."""
        width_ms = self._tier.width * 1000
        last = (self._end_ms - 1) // width_ms
        inside = self._begin_ms >= self._end_ms or self._begin_ms // width_ms == last
        return RowKey(self._tier.width, last * self._tier.width) if inside else None

    def _shared(self, n: int) -> Iterable[tuple[RowKey, int]]:
        for bucket, part in spread(n, self._begin_ms, self._end_ms, self._tier.width):
            if self._one_tier:
                yield RowKey(self._tier.width, bucket), part
            else:
                width = tier_of_age(bucket + self._tier.width, self.times[2]).width
                yield RowKey(width, start_of(bucket, width)), part
