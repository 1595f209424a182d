"""Protobuf pages made by hand. A native histogram is made from what was observed, value by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, frexp, log2
from typing import Any

from collector.exposition.protobuf.messages import MetricFamily

MEDIA = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)


def page(*families: Any) -> bytes:
    """Families as they are sent."""
    return b"".join(varint(len(body)) + body for body in (one.SerializeToString() for one in families))


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def family(name: str, kind: int, *metrics: tuple[Mapping[str, str], Mapping[str, Any]], **more: Any) -> Any:
    """A family of metrics: the labels of each and the fields of its value."""
    field = ("counter", "gauge", "summary", "untyped", "histogram", "histogram")[kind]
    made = MetricFamily(name=name, type=kind, **more)
    for labels, value in metrics:
        pairs = [{"name": label, "value": text} for label, text in labels.items()]
        made.metric.add(label=pairs, **{field: value})
    return made


def bucket_of(value: float, schema: int) -> int:
    """The bucket of a positive value: the least i with value <= 2^(i / 2^schema)."""
    if schema <= 0:  # whole powers of two: by the exponent alone, which is exact
        fraction, exponent = frexp(value)
        power = exponent - 1 if fraction == 0.5 else exponent
        return -(-power // 2**-schema)
    return ceil(log2(value) * 2**schema)


def spans(counts: Mapping[int, int]) -> tuple[list[dict[str, int]], list[int]]:
    """Buckets as spans and deltas."""
    found: list[dict[str, int]] = []
    deltas, end, last = [], 0, 0
    for index in sorted(counts):
        if found and index == end:
            found[-1]["length"] += 1
        else:
            found.append({"offset": index - end, "length": 1})
        deltas.append(counts[index] - last)
        end, last = index + 1, counts[index]
    return found, deltas


def native(values: Sequence[float], schema: int, zero_threshold: float = 2.0**-128, **more: Any) -> dict[str, Any]:
    """The fields of a native histogram that observed these."""
    positive, deltas = spans(Counter(bucket_of(value, schema) for value in values if value > zero_threshold))
    negative, fallen = spans(Counter(bucket_of(-value, schema) for value in values if value < -zero_threshold))
    return {
        "sample_count": len(values),
        "sample_sum": sum(values),
        "schema": schema,
        "zero_threshold": zero_threshold,
        "zero_count": sum(abs(value) <= zero_threshold for value in values),
        "positive_span": positive,
        "positive_delta": deltas,
        "negative_span": negative,
        "negative_delta": fallen,
        **more,
    }


def classic(values: Sequence[float], bounds: Iterable[float]) -> dict[str, Any]:
    """The fields of a classic histogram that observed these."""
    buckets = [{"upper_bound": bound, "cumulative_count": sum(value <= bound for value in values)} for bound in bounds]
    return {"sample_count": len(values), "sample_sum": sum(values), "bucket": buckets}
