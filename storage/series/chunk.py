"""Reading a chunk: its index, and the samples of wanted series."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import zstandard

from storage.series import codec, columns, dictionary
from storage.series.arrays import Ints, Refs, offsets
from storage.series.chunk_write import FOOTER, MAGIC, GroupPlace
from storage.series.dictionary import SeriesDictionary
from storage.series.samples import Samples

DamageReport = Callable[[str], None]
"""Is told what part of a file cannot be read; the rest is read all the same."""


@dataclass(frozen=True)
class ChunkIndex:
    """Where everything is. Series i has the time vector `vectors[i]`, which has `vector_counts[vectors[i]]` times."""

    inode: int
    series: SeriesDictionary
    vectors: Refs
    vector_counts: Refs
    value_groups: tuple[GroupPlace, ...]
    time_groups: tuple[GroupPlace, ...]

    @property
    def nbytes(self) -> int:
        """About how much memory it holds."""
        groups = len(self.value_groups) + len(self.time_groups)
        return int(self.series.nbytes + self.vectors.nbytes + self.vector_counts.nbytes) + 200 * groups

    @property
    def counts(self) -> Refs:
        """The number of samples of each series."""
        return self.vector_counts[self.vectors]


def read_index(descriptor: int) -> ChunkIndex | None:
    """The index of the open chunk; None if it is damaged."""
    status = os.fstat(descriptor)
    footer = os.pread(descriptor, FOOTER.size, max(0, status.st_size - FOOTER.size))
    if len(footer) < FOOTER.size:
        return None
    length, checksum, magic = FOOTER.unpack(footer)
    at = status.st_size - FOOTER.size - length
    if magic != MAGIC or at < 0:
        return None
    data = os.pread(descriptor, length, at)
    if crc32(data) != checksum:
        return None
    *named, vectors, vector_counts, values, times = columns.unpack(zstandard.decompress(data))
    series = dictionary.from_columns(named)
    return ChunkIndex(status.st_ino, series, vectors, vector_counts, _places(values), _places(times))


def gather(descriptor: int, index: ChunkIndex, slots: Ints, damaged: DamageReport) -> Iterator[Samples]:
    """The samples of every series i with `slots[i]` of 0 or more, one series at a time."""
    wanted = np.flatnonzero(slots >= 0)
    times = _TimeReader(descriptor, index, damaged)
    groups = _group_numbers(index.value_groups, wanted)
    counts = index.counts
    for number in np.unique(groups).tolist():
        place = index.value_groups[number]
        after = _after(index.value_groups, number, len(index.series))
        data = _read(descriptor, place)
        if data is None:
            damaged(f"values at byte {place.at}")
            continue
        bits = codec.decode_values(data, counts[place.first : after])
        starts = offsets(counts[place.first : after])
        for series in wanted[groups == number].tolist():
            vector = times.vector(int(index.vectors[series]))
            if vector is not None:
                a = int(starts[series - place.first])
                yield Samples(np.full(len(vector), slots[series]), vector, bits[a : a + len(vector)])


class _TimeReader:
    """Decodes each group of time vectors once."""

    def __init__(self, descriptor: int, index: ChunkIndex, damaged: DamageReport) -> None:
        self._descriptor = descriptor
        self._index = index
        self._damaged = damaged
        self._firsts = [place.first for place in index.time_groups]
        self._groups: dict[int, tuple[Ints, Ints] | None] = {}

    def vector(self, number: int) -> Ints | None:
        """One vector of times; None if its group is damaged."""
        group = bisect_right(self._firsts, number) - 1
        if group not in self._groups:
            self._groups[group] = self._decode(group)
        decoded = self._groups[group]
        if decoded is None:
            return None
        times, starts = decoded
        at = number - self._firsts[group]
        return times[starts[at] : starts[at + 1]]

    def _decode(self, group: int) -> tuple[Ints, Ints] | None:
        place = self._index.time_groups[group]
        data = _read(self._descriptor, place)
        if data is None:
            self._damaged(f"times at byte {place.at}")
            return None
        after = _after(self._index.time_groups, group, len(self._index.vector_counts))
        counts = self._index.vector_counts[place.first : after]
        return codec.decode_times(data, counts), offsets(counts)


def _places(flat: Ints) -> tuple[GroupPlace, ...]:
    return tuple(GroupPlace(*row) for row in flat.reshape(-1, len(GroupPlace._fields)).tolist())


def _group_numbers(groups: tuple[GroupPlace, ...], items: Ints) -> Ints:
    firsts = np.array([place.first for place in groups], np.int64)
    return np.searchsorted(firsts, items, side="right") - 1


def _after(groups: tuple[GroupPlace, ...], number: int, total: int) -> int:
    return groups[number + 1].first if number + 1 < len(groups) else total


def _read(descriptor: int, place: GroupPlace) -> bytes | None:
    data = os.pread(descriptor, place.length, place.at)
    return data if crc32(data) == place.crc else None
