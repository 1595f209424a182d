"""Reading remote write's message with Google's own decoder, and the rules that every request keeps."""

from __future__ import annotations

import struct
from typing import NamedTuple

import cramjam

from bench.remote_proto import WriteRequest
from core.labels import Labels


class Sample(NamedTuple):
    """One sample as it went over the wire: the value's 64 bits, so that every NaN is told from others."""

    labels: Labels
    time_ms: int
    bits: int


def decode(body: bytes) -> list[Sample]:
    """The samples of a request, in its order; AssertionError where labels break the specification's rules."""
    request = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    found = []
    for series in request.timeseries:
        labels = tuple((label.name, label.value) for label in series.labels)
        names = [name for name, _ in labels]
        assert names == sorted(set(names)), "labels are sorted and unique"
        assert all(value for _, value in labels), "no label is empty"
        found += [Sample(labels, one.timestamp, bits_of(one.value)) for one in series.samples]
    return found


def bits_of(value: float) -> int:
    """The 64 bits of a value."""
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])
