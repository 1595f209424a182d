"""The body of a remote write 1.0 request: snappy's block format around `prometheus.WriteRequest` in protobuf.

Read by hand: the labels of a series come as the bytes that they were sent as, by which the catalogue knows them again.
Metadata, exemplars and native histograms are passed over. (https://prometheus.io/docs/specs/prw/remote_write_spec/)
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

import cramjam

from core.errors import ParseError
from core.labels import Labels
from storage.series.stale import STALE_BITS

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_SERIES = 1
_LABEL_TAG, _VALUE_TAG, _TIME_TAG = 0x0A, 0x09, 0x10
_USUAL, _FLOAT, _BITS = Struct("<BQB"), Struct("<d"), Struct("<Q")
"""A sample as it is written everywhere: tag, value, tag, and then its time."""
_LABELS, _SAMPLES, _HISTOGRAMS = 1, 2, 4


class TooLarge(ParseError):
    """The content is larger than what is taken."""


class Sample(NamedTuple):
    """`time` in milliseconds; `value` None is a stale marker."""

    time: int
    value: float | None


class SentSeries(NamedTuple):
    """One series of a request: its labels as they were sent, its samples, and how many native histograms it had."""

    labels: bytes
    samples: list[Sample]
    histograms: int


def plain(body: bytes, limit: int) -> bytes:
    """The message of a body; ParseError where it is no snappy block, TooLarge beyond `limit` bytes."""
    size, _ = _varint(body, 0, len(body))
    if size > limit:
        raise TooLarge(f"the body is {size} bytes after decompression, over the limit of {limit}")
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise ParseError(f"the body is no snappy block: {error}") from None


def series(message: bytes) -> Iterator[SentSeries]:
    """The series of a request; ParseError where the bytes follow no WriteRequest."""
    for number, kind, begin, end in _fields(message, 0, len(message)):
        if number == _SERIES and kind == _BYTES:
            yield _series(message, begin, end)


def labels(sent: bytes) -> Labels:
    """The labels of a series, sorted, without empty ones; ParseError where they are no labels."""
    pairs: dict[str, str] = {}
    for number, kind, begin, end in _fields(sent, 0, len(sent)):
        if number != _LABELS or kind != _BYTES:
            continue
        name, value = _pair(sent, begin, end)
        if not name or name in pairs:
            raise ParseError(f"a series has the label {name[:50]!r} without a name or twice")
        pairs[name] = value
    return tuple(sorted(pair for pair in pairs.items() if pair[1]))


def _series(message: bytes, begin: int, end: int) -> SentSeries:
    samples: list[Sample] = []
    first, last = _short_labels(message, begin, end)
    at, histograms = last, 0
    while at < end:
        number, kind, inner, after = _field(message, at, end)
        if number == _LABELS and kind == _BYTES:
            last = after
        elif number == _SAMPLES and kind == _BYTES:
            samples.append(_sample(message, inner, after))
        elif number == _HISTOGRAMS:
            histograms += 1
        at = after
    return SentSeries(message[first:last], samples, histograms)


def _short_labels(message: bytes, begin: int, end: int) -> tuple[int, int]:
    """Where the labels begin, and where those that are under 128 bytes long and come first end: nearly always all."""
    at = begin
    while at + 1 < end and message[at] == _LABEL_TAG and message[at + 1] < 0x80:
        after = at + 2 + message[at + 1]
        if after > end:
            break
        at = after
    return begin, at


def _sample(message: bytes, begin: int, end: int) -> Sample:
    if end - begin > _USUAL.size and message[begin] == _VALUE_TAG and message[begin + 9] == _TIME_TAG:
        _, bits, _ = _USUAL.unpack_from(message, begin)
        time, after = _varint(message, begin + _USUAL.size, end)
        if after == end:
            return _told(time, bits)
    time = bits = 0
    for number, kind, at, after in _fields(message, begin, end):
        if number == 1 and kind == _FIXED64:
            bits = int.from_bytes(message[at:after], "little")
        elif number == 2 and kind == _VARINT:
            time, _ = _varint(message, at, after)
    return _told(time, bits)


def _told(time: int, bits: int) -> Sample:
    signed = time - 2**64 if time >= 2**63 else time
    return Sample(signed, None if bits == STALE_BITS else _FLOAT.unpack(_BITS.pack(bits))[0])


def _pair(sent: bytes, begin: int, end: int) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, kind, at, after in _fields(sent, begin, end):
        if number in texts and kind == _BYTES:
            try:
                texts[number] = sent[at:after].decode().replace("\0", "")  # PostgreSQL's texts cannot hold it
            except UnicodeDecodeError:
                raise ParseError("a label is no UTF-8 text") from None
    return texts[1], texts[2]


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, where the content begins, where it ends) of each field."""
    while at < end:
        field = _field(data, at, end)
        yield field
        at = field[3]


def _field(data: bytes, at: int, end: int) -> tuple[int, int, int, int]:
    tag, at = _varint(data, at, end)
    number, kind = tag >> 3, tag & 7
    if kind == _BYTES:
        length, at = _varint(data, at, end)
        after = at + length
    elif kind == _VARINT:
        _, after = _varint(data, at, end)
    elif kind in (_FIXED64, _FIXED32):
        after = at + (8 if kind == _FIXED64 else 4)
    else:
        raise ParseError(f"the message has a field of wire type {kind}, which no WriteRequest has")
    if number == 0 or after > end:
        raise ParseError("the message ends within a field")
    return number, kind, at, after


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends."""
    if at < end and data[at] < 0x80:
        return data[at], at + 1
    number = shift = 0
    for place in range(at, min(end, at + _LONGEST_VARINT)):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, place + 1
        shift += 7
    raise ParseError("the message ends within a number")
