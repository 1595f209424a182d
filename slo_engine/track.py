"""One width of buckets for all lanes at once: a lane is one column of sums, such as the total of a group.

Buckets lie in chunks. A chunk knows the sum of all chunks before it, so a window costs the same however long it is: the
difference of what stands before its two edges. A late bucket adds its change to the sums of the chunks after it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, start_of

Numbers = npt.NDArray[np.int64]

_BUCKETS = {MINUTES.width: 60, FIVE_MINUTES.width: 12, HOURS.width: 24}
"""Buckets of a chunk: an edge within one costs the sum of at most half of them."""
NEVER = 2**62
"""The start of the first bucket where there is none."""
_MOST_EDGES = 64
"""Edges whose sums are remembered between two changes: an evaluation of eight windows has thirty."""
_OFTEN = 4
"""Times that an edge is asked for lane by lane before it is summed for all lanes at once."""
_INT32 = np.iinfo(np.int32)


class _Chunk:
    """Buckets × lanes, in 32 bits as long as all of them fit; lanes that came later are as if they were 0."""

    __slots__ = ("before", "data", "start", "total")

    def __init__(self, start: int, buckets: int, before: Numbers) -> None:
        self.start = start
        self.before = before
        self.total = np.zeros(len(before), np.int64)
        self.data: npt.NDArray[Any] = np.zeros((buckets, len(before)), np.int32)

    def widen(self, lanes: int) -> None:
        """Room for so many lanes, and for some that may come."""
        have = len(self.total)
        if have >= lanes:
            return
        more = lanes + max(64, lanes // 16) - have
        self.data = np.concatenate([self.data, np.zeros((len(self.data), more), self.data.dtype)], axis=1)
        self.total, self.before = np.pad(self.total, (0, more)), np.pad(self.before, (0, more))

    def put(self, row: int, values: Numbers) -> Numbers:
        """Replace a bucket; returns by how much each lane changed."""
        self.widen(len(values))
        if self.data.dtype == np.int32 and (values.max() > _INT32.max or values.min() < _INT32.min):
            self.data = self.data.astype(np.int64)
        change: Numbers = values - self.data[row, : len(values)]
        self.data[row, : len(values)] = values
        self.total[: len(values)] += change
        return change

    def upto(self, row: int, lanes: Numbers | None = None) -> Numbers:
        """Everything before one of its buckets, of these lanes or of all that it has."""
        pick = slice(None) if lanes is None else lanes
        before: Numbers = self.before[pick]
        if row * 2 > len(self.data):
            after: Numbers = self.data[row:, pick].sum(axis=0, dtype=np.int64)
            return before + self.total[pick] - after
        upto: Numbers = self.data[:row, pick].sum(axis=0, dtype=np.int64)
        return before + upto


class Track:
    """All buckets of a width (seconds). `lanes` is how many there are by now; it only grows."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lanes = 1
        self._span = width * _BUCKETS[width]
        self._starts: list[int] = []
        self._chunks: dict[int, _Chunk] = {}
        self._first: Numbers = np.full(1, NEVER, np.int64)
        self._stale = np.zeros(1, bool)
        """Lanes whose first bucket may have been forgotten."""
        self._edges: dict[int, Numbers] = {}
        self._asked: Counter[int] = Counter()

    # Writing.

    def grow(self, lanes: int) -> None:
        """There are so many lanes now."""
        if lanes > self.lanes:
            self._first = np.concatenate([self._first, np.full(lanes - self.lanes, NEVER, np.int64)])
            self._stale = np.concatenate([self._stale, np.zeros(lanes - self.lanes, bool)])
            self.lanes = lanes
            self._forget_edges()

    def put(self, bucket: int, values: Numbers) -> None:
        """Replace a bucket: one value for each lane."""
        filled = values != 0
        if not filled.any() and start_of(bucket, self._span) not in self._chunks:
            return
        chunk = self._chunk(start_of(bucket, self._span))
        change = chunk.put((bucket - chunk.start) // self.width, values)
        for start in self._starts[bisect_left(self._starts, chunk.start + 1) :]:
            later = self._chunks[start]
            later.widen(len(change))
            later.before[: len(change)] += change
        gone = np.flatnonzero(~filled & (self._first == bucket))
        np.minimum(self._first, np.where(filled, bucket, NEVER), out=self._first)
        if len(gone):
            self._look_again(gone)
        self._forget_edges()

    def trim(self, before: int) -> None:
        """Forget buckets that begin before a time."""
        self._stale |= self._first < before
        while self._starts and self._starts[0] + self._span <= before:
            del self._chunks[self._starts.pop(0)]
            self._forget_edges()
        if not self._starts or self._starts[0] >= before:
            return
        chunk = self._chunks[self._starts[0]]
        rows = -(-(before - chunk.start) // self.width)
        gone = chunk.data[:rows].sum(axis=0, dtype=np.int64)
        if gone.any() or chunk.data[:rows].any():
            chunk.data[:rows] = 0
            chunk.total -= gone
            chunk.before += gone  # so that what stands before the buckets after them stays as it was
            self._forget_edges()

    def copy(self, pairs: list[tuple[int, int]]) -> None:
        """Each (from, to): the second lane has had what the first had so far."""
        if not pairs:
            return
        old, new = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
        self._first[new], self._stale[new] = self._first[old], self._stale[old]
        for chunk in self._chunks.values():
            chunk.widen(int(max(new.max(), old.max())) + 1)
            for array in (chunk.data, chunk.total, chunk.before):
                array[..., new] = array[..., old]
        self._forget_edges()

    # Reading.

    def sum(self, start: int, end: int) -> Numbers:
        """Every lane over the buckets in [start, end)."""
        return self._upto(end) - self._upto(start) if end > start else np.zeros(self.lanes, np.int64)

    def sum_of(self, lanes: Numbers, start: int, end: int) -> Numbers:
        """The same of some lanes."""
        if end <= start:
            return np.zeros(len(lanes), np.int64)
        return self._upto_of(lanes, end) - self._upto_of(lanes, start)

    def rows(self, lanes: Numbers, start: int, end: int) -> Numbers:
        """Bucket by bucket of [start, end); zeros where none is held."""
        found = np.zeros((max(0, end - start) // self.width, len(lanes)), np.int64)
        first = max(0, bisect_left(self._starts, start + 1) - 1)
        for at in self._starts[first : bisect_left(self._starts, end)]:
            low, high = max(start, at), min(end, at + self._span)
            if high > low:
                chunk = self._chunks[at]
                chunk.widen(self.lanes)
                held = chunk.data[(low - at) // self.width : (high - at) // self.width]
                found[(low - start) // self.width : (high - start) // self.width] = held[:, lanes]
        return found

    def since(self, lanes: Numbers) -> Numbers:
        """Start of the first bucket with anything in each lane; a time beyond all others where there is none."""
        stale = lanes[self._stale[lanes]]
        if len(stale):
            self._look_again(np.unique(stale))
        found: Numbers = self._first[lanes]
        return found

    def begins(self) -> int:
        """No bucket that is held begins before this (Unix seconds)."""
        return self._starts[0] if self._starts else NEVER

    def _look_again(self, lanes: Numbers) -> None:
        self._first[lanes] = NEVER
        self._stale[lanes] = False
        for at in self._starts:
            chunk = self._chunks[at]
            chunk.widen(self.lanes)
            filled = chunk.data[:, lanes] != 0
            found = filled.any(axis=0)
            self._first[lanes[found]] = at + self.width * filled[:, found].argmax(axis=0)
            lanes = lanes[~found]
            if not len(lanes):
                return

    def _chunk(self, start: int) -> _Chunk:
        found = self._chunks.get(start)
        if found is None:
            place = bisect_left(self._starts, start)
            before = self._chunks[self._starts[place - 1]] if place else None
            after = self._chunks[self._starts[0]] if self._starts and not place else None
            sums = np.zeros(self.lanes, np.int64)
            if before is not None:
                sums = _padded(before.before + before.total, self.lanes)
            elif after is not None:
                sums = _padded(after.before, self.lanes).copy()
            found = self._chunks[start] = _Chunk(start, _BUCKETS[self.width], sums)
            insort(self._starts, start)
        return found

    def _place(self, time: int) -> tuple[_Chunk, int] | None:
        """The chunk and its bucket that everything before `time` ends at; None while nothing is held."""
        if not self._starts:
            return None
        chunk = self._chunks[self._starts[max(0, bisect_left(self._starts, time) - 1)]]
        return chunk, min(max(0, (time - chunk.start) // self.width), len(chunk.data))

    def _upto(self, time: int) -> Numbers:
        found = self._edges.get(time)
        if found is None:
            place = self._place(time)
            found = np.zeros(self.lanes, np.int64) if place is None else _padded(place[0].upto(place[1]), self.lanes)
            if len(self._edges) >= _MOST_EDGES:
                self._edges.clear()
            self._edges[time] = found
        return found

    def _upto_of(self, lanes: Numbers, time: int) -> Numbers:
        self._asked[time] += 1
        if time in self._edges or self._asked[time] > _OFTEN:
            found: Numbers = self._upto(time)[lanes]
            return found
        place = self._place(time)
        if place is None:
            return np.zeros(len(lanes), np.int64)
        place[0].widen(self.lanes)
        return place[0].upto(place[1], lanes)

    def _forget_edges(self) -> None:
        self._edges.clear()
        self._asked.clear()


def _padded(sums: Numbers, lanes: int) -> Numbers:
    """As many as there are lanes; a chunk may have fewer, or room for more."""
    return sums[:lanes] if len(sums) >= lanes else np.pad(sums, (0, lanes - len(sums)))
