"""Writing a chunk: groups of series as columns, their times once, and an index at the end.

    magic | groups of values and of times | index (zstd) | index length, CRC-32, magic

Series that were scraped together share one vector of times. A group holds some series, so that reading one of them
costs little and compression still sees many.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import numpy as np
import zstandard

from core.labels import Labels
from storage.series import codec, columns, dictionary
from storage.series.arrays import Ints, offsets
from storage.series.disk import Disk, write_all
from storage.series.samples import Samples

MAGIC = b"BLC1"
FOOTER = struct.Struct("<QI4s")
GROUP_SAMPLES = 16_384
"""Measured on 480 samples a series: groups of 4,000 samples are encoded at 7 to 11 million samples/s, of 16,000 at 10
to 24, larger ones no faster; sizes differ by 3 %. Reading one series decodes its whole group."""


class GroupPlace(NamedTuple):
    """Where a group's bytes are, their checksum, and its first series or time vector."""

    at: int
    length: int
    crc: int
    first: int


@dataclass
class _TimeVectors:
    """The distinct vectors of times: number by digest, and those that wait to be written."""

    numbers: dict[bytes, int] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    waiting: list[Ints] = field(default_factory=list)
    waiting_samples: int = 0

    def number(self, times: Ints) -> int:
        digest = blake2b(times.tobytes(), digest_size=16).digest()
        known = self.numbers.setdefault(digest, len(self.counts))
        if known == len(self.counts):
            self.counts.append(len(times))
            self.waiting.append(times)
            self.waiting_samples += len(times)
        return known


class ChunkWriter:
    """Writes one chunk to an open, empty file; series come sorted, in batches of any size."""

    def __init__(self, disk: Disk, descriptor: int) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self._at = 0
        self._series: list[Labels] = []
        self._vector_of_series: list[int] = []
        self._vectors = _TimeVectors()
        self._value_groups: list[GroupPlace] = []
        self._time_groups: list[GroupPlace] = []
        self._write(MAGIC)

    def add(self, series: list[Labels], settled: Samples) -> None:
        """Add series with their samples; slot i is `series[i]`, a series without samples is left out."""
        counts = np.bincount(settled.slots, minlength=len(series))
        present = np.flatnonzero(counts)
        starts = offsets(counts[present])
        for first, last in _cuts(starts):
            a, b = int(starts[first]), int(starts[last])
            values = codec.encode_values(settled.bits[a:b], counts[present[first:last]])
            self._value_groups.append(self._put(values, len(self._series)))
            self._series += [series[number] for number in present[first:last].tolist()]
            self._add_times(settled.times, starts[first : last + 1])

    def finish(self) -> None:
        """Write what waits, the index and the footer."""
        self._flush_times()
        index = zstandard.compress(
            columns.pack(
                *dictionary.to_columns(dictionary.build(self._series)),
                np.array(self._vector_of_series, np.uint32),
                np.array(self._vectors.counts, np.uint32),
                np.array(self._value_groups, np.int64).ravel(),
                np.array(self._time_groups, np.int64).ravel(),
            ),
            codec.LEVEL,
        )
        self._write(index + FOOTER.pack(len(index), crc32(index), MAGIC))

    def _add_times(self, times: Ints, starts: Ints) -> None:
        bounds = starts.tolist()
        self._vector_of_series += [self._vectors.number(times[a:b]) for a, b in pairwise(bounds)]
        if self._vectors.waiting_samples >= GROUP_SAMPLES:
            self._flush_times()

    def _flush_times(self) -> None:
        vectors = self._vectors
        if vectors.waiting:
            first = len(vectors.counts) - len(vectors.waiting)
            data = codec.encode_times(np.concatenate(vectors.waiting), np.array(vectors.counts[first:]))
            self._time_groups.append(self._put(data, first))
            vectors.waiting, vectors.waiting_samples = [], 0

    def _put(self, data: bytes, first: int) -> GroupPlace:
        place = GroupPlace(self._at, len(data), crc32(data), first)
        self._write(data)
        return place

    def _write(self, data: bytes) -> None:
        write_all(self._disk, self._descriptor, data)
        self._at += len(data)


def _cuts(starts: Ints) -> list[tuple[int, int]]:
    """Runs of neighbouring series with about GROUP_SAMPLES samples: (first, after the last)."""
    groups = starts[:-1] // GROUP_SAMPLES
    edges = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(groups)]
    return [(a, b) for a, b in pairwise(edges) if a < b]
