"""A request's message, `prometheus.WriteRequest` in protobuf and snappy's block format.

Written by hand: what is the same in every request of a series, its labels above all, is encoded once; a sample adds 15
bytes to it. Google's classes take fifteen to twenty times as long (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import cramjam
import numpy as np

from core.labels import Labels
from storage.series.arrays import Bytes, Ints, Refs, Words
from storage.series.block import Definitions

LATEST_MS = 1 << 42
"""Times below it (to the year 2109) are written in six bytes, so that every sample is of one length."""

_SAMPLE_BYTES = 16
_TAIL_BYTES = _SAMPLE_BYTES - 1
_TIME_BYTES = 6


class Request(NamedTuple):
    """Samples of one request: sample i is of series `slots[i]` of the table; times in ms, bits of float64."""

    slots: Ints
    times: Ints
    bits: Words


class SeriesTable:
    """Which reference of one segment is which series: the beginning of its message, and the checksum of its labels."""

    def __init__(self, external: Mapping[str, str]) -> None:
        self._external = external
        self._slots: Ints = np.zeros(0, np.int64)
        self._heads: list[bytes] = []
        self._checksums: Refs = np.zeros(0, np.uint32)

    def define(self, definitions: Definitions) -> None:
        """Take in the series of one block."""
        first = len(self._heads)
        checksums = np.fromiter(map(self._define, _label_sets(definitions)), np.uint32, len(definitions.series))
        self._checksums = np.concatenate([self._checksums, checksums])
        self._widen(int(definitions.refs.max(initial=0)) + 1)
        self._slots[definitions.refs] = np.arange(first, len(self._heads))

    def slots(self, refs: Refs) -> Ints:
        """The series' places in this table, -1 for what was never defined; shape (n,)."""
        found = np.full(len(refs), -1, np.int64)
        inside = refs < len(self._slots)
        found[inside] = self._slots[refs[inside]]
        return found

    def checksums(self, slots: Ints) -> Refs:
        """CRC-32 of each series' labels, the same in every segment and process."""
        return self._checksums[slots]

    def encode(self, request: Request) -> bytes:
        """The body of a request."""
        parts = [b""] * (2 * len(request.slots))
        parts[0::2] = map(self._heads.__getitem__, request.slots.tolist())
        parts[1::2] = _tails(request).view(f"V{_TAIL_BYTES}").ravel().tolist()
        return bytes(cramjam.snappy.compress_raw(b"".join(parts)))

    def _define(self, own: Labels) -> int:
        """Add one series; the checksum of its labels."""
        if self._external:
            own = tuple(sorted({**self._external, **dict(own)}.items()))
        labels = b"".join([_label(*pair) for pair in own])
        self._heads.append(_head(labels))
        return crc32(labels)

    def _widen(self, size: int) -> None:
        if size > len(self._slots):
            wider = np.full(max(size, 2 * len(self._slots)), -1, np.int64)
            wider[: len(self._slots)] = self._slots
            self._slots = wider


def _label_sets(definitions: Definitions) -> Iterator[Labels]:
    return map(definitions.series.labels, range(len(definitions.series)))


def _head(labels: bytes) -> bytes:
    """A TimeSeries up to its sample's value: field 1 of the request, the labels, field 2 with the value's tag."""
    return b"\x0a" + _varint(len(labels) + 2 + _SAMPLE_BYTES) + labels + bytes((0x12, _SAMPLE_BYTES, 0x09))


@lru_cache(1 << 16)
def _label(name: str, value: str) -> bytes:
    inside = _text(b"\x0a", name) + _text(b"\x12", value)
    return b"\x0a" + _varint(len(inside)) + inside


def _text(tag: bytes, text: str) -> bytes:
    encoded = text.encode("utf-8", "replace")
    return tag + _varint(len(encoded)) + encoded


def _varint(number: int) -> bytes:
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*result, number))


def _tails(request: Request) -> Bytes:
    """What a sample adds: its value's eight bytes, the tag of the time, and the time; shape (n, 15).

    The time is a varint of always six bytes, the shortest for times after 1971.
    """
    tails = np.empty((len(request.slots), _TAIL_BYTES), np.uint8)
    tails[:, :8] = np.ascontiguousarray(request.bits, "<u8").view(np.uint8).reshape(-1, 8)
    tails[:, 8] = 0x10
    septets = (request.times[:, np.newaxis] >> (7 * np.arange(_TIME_BYTES))) & 0x7F
    septets[:, :-1] |= 0x80
    tails[:, 9:] = septets
    return tails
