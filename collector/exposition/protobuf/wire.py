"""Messages taken apart without decoding them: where families and metrics begin, and where a metric's one value stands.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import NamedTuple

from core.errors import ParseError

_LONGEST_VARINT = 10
_METRIC = 0x22
"""The tag of MetricFamily.metric: field 4, with a length."""
_LONG = 0x80
"""A length from here on takes more than one byte."""
_LABEL = 0x0A
"""The tag of Metric.label: field 1, with a length."""
_DOUBLE = 0x09
"""The tag of the value of a counter, a gauge and an untyped metric: field 1, eight bytes."""
_VALUES = frozenset({0x12, 0x1A, 0x2A})
"""The tags of Metric.gauge, .counter and .untyped."""


class Family(NamedTuple):
    """A family's bytes: those of its own fields, and those of each metric."""

    head: bytes
    metrics: list[bytes]


def varint(body: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset after it."""
    found = 0
    for shift, byte in enumerate(body[at : at + _LONGEST_VARINT]):
        found |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return found, at + shift + 1
    raise ParseError("its length cannot be read")


def framed(body: bytes, at: int) -> tuple[int, int]:
    """Where the message begins whose length stands at an offset, and where it ends."""
    length, begin = varint(body, at)
    if length > len(body) - begin:
        raise ParseError(f"it is said to have {length} bytes, and {len(body) - begin} follow")
    return begin, begin + length


def parts(family: bytes) -> Family:
    """A family's metrics apart from what is said of all of them."""
    head, metrics, at, size = bytearray(), list[bytes](), 0, len(family)
    while at < size:
        if family[at] == _METRIC:
            length = family[at + 1] if at + 1 < size else _LONG
            begin, at = (at + 2, at + 2 + length) if length < _LONG else framed(family, at + 1)
            metrics.append(family[begin:at])
        else:
            end = _after(family, at)
            head += family[at:end]
            at = end
    if at > size:
        raise ParseError("its last metric is cut off")
    return Family(bytes(head), metrics)


def value_place(metric: bytes) -> int | None:
    """Where the eight bytes of a metric's one value stand; None where it is no labels and one value, which may tell
    when it was created."""
    at = 0
    while metric[at : at + 1] == bytes([_LABEL]):
        _, at = framed(metric, at + 1)
    if len(metric) - at < 11 or metric[at] not in _VALUES or framed(metric, at + 1) != (at + 2, len(metric)):
        return None
    return at + 3 if metric[at + 2] == _DOUBLE else None


def _after(body: bytes, at: int) -> int:
    """The offset after the field at an offset."""
    tag, at = varint(body, at)
    match tag & 7:
        case 0:
            return varint(body, at)[1]
        case 1:
            end = at + 8
        case 2:
            return framed(body, at)[1]
        case 5:
            end = at + 4
        case _:
            raise ParseError("it is no MetricFamily")
    if end > len(body):
        raise ParseError("it is no MetricFamily")
    return end
