"""From a decoded metric to the series that the text page has of it.

A native histogram becomes the buckets of the classic histogram that it implies (native.py). Where a metric has classic
buckets, too, those alone are read, or each observation would be there twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np

from collector.exposition.grammar import shared
from collector.exposition.protobuf import messages, native
from collector.exposition.protobuf.native import ANYTHING, HIGHEST_SCHEMA, LOWEST_SCHEMA, SECONDS, Native
from collector.exposition.series import Series
from core.errors import ParseError
from core.labels import make
from storage.series.arrays import Floats, Ints

_TYPES = {
    messages.COUNTER: "counter",
    messages.GAUGE: "gauge",
    messages.SUMMARY: "summary",
    messages.UNTYPED: "unknown",
    messages.HISTOGRAM: "histogram",
    messages.GAUGE_HISTOGRAM: "gaugehistogram",
}

Pairs = tuple[tuple[str, str], ...]


class Part(NamedTuple):
    """A series of a metric, beside its labels: what follows the family's name, and a label of its own or none."""

    suffix: str
    label: str = ""
    value: str = ""


class Described(NamedTuple):
    """What a family says of all of its metrics: `kind` as on the wire, `type` in our word."""

    name: str
    kind: int
    type: str
    in_seconds: bool


Shape = tuple[Part, ...]
Metric = tuple[Shape, Sequence[float]]

_VALUE: Shape = (Part(""),)
_CREATED = Part("_created")


def described(family: Any) -> Described:
    """A family without its metrics."""
    if not family.name:
        raise ParseError("it has no name")
    if family.type not in _TYPES:
        raise ParseError(f"{family.name} has the type {family.type}, which is not known")
    in_seconds = family.unit == "seconds" or family.name.endswith("_seconds")
    return Described(family.name, family.type, _TYPES[family.type], in_seconds)


def is_scalar(shape: Shape) -> bool:
    """Whether a metric has one value, beside the time when it was created."""
    return shape[:1] == _VALUE


def read_metric(family: Described, metric: Any) -> Metric:
    """The series of a metric and their values."""
    match family.kind:
        case messages.COUNTER if metric.HasField("counter"):
            return _counter(metric.counter)
        case messages.GAUGE if metric.HasField("gauge"):
            return _VALUE, (metric.gauge.value,)
        case messages.UNTYPED if metric.HasField("untyped"):
            return _VALUE, (metric.untyped.value,)
        case messages.SUMMARY if metric.HasField("summary"):
            return _summary(metric.summary)
        case messages.HISTOGRAM if metric.HasField("histogram"):
            return _histogram(family, metric.histogram)
        case messages.GAUGE_HISTOGRAM:
            return (), ()  # what it counts may fall: no rule of ours reads it
        case _:
            raise ParseError(f"a metric of {family.name} has no value of its family's type")


def _counter(counter: Any) -> Metric:
    if not counter.HasField("created_timestamp"):
        return _VALUE, (counter.value,)
    return (*_VALUE, _CREATED), (counter.value, _seconds(counter.created_timestamp))


def _summary(summary: Any) -> Metric:
    told = [(Part("", "quantile", number(one.quantile)), one.value) for one in summary.quantile]
    told += [(Part("_sum"), summary.sample_sum), (Part("_count"), summary.sample_count)]
    return tuple(part for part, _ in told), [value for _, value in told]


def _histogram(family: Described, histogram: Any) -> Metric:
    if histogram.bucket or not _is_native(histogram):
        shape, buckets = _classic(histogram)
    else:
        found = _native(family, histogram)
        grid = native.grid_of(found, SECONDS if family.in_seconds else ANYTHING)
        shape, buckets = _buckets(native.bounds_of(grid)), native.cumulative(found, grid).tolist()
    rest = [histogram.sample_sum, histogram.sample_count_float or histogram.sample_count]
    if not histogram.HasField("created_timestamp"):
        return (*shape, Part("_sum"), Part("_count")), [*buckets, *rest]
    parts = (*shape, Part("_sum"), Part("_count"), _CREATED)
    return parts, [*buckets, *rest, _seconds(histogram.created_timestamp)]


def _classic(histogram: Any) -> Metric:
    told = {one.upper_bound: one.cumulative_count_float or one.cumulative_count for one in histogram.bucket}
    every = told.pop(inf, histogram.sample_count_float or histogram.sample_count)
    return _buckets(tuple(told)), [*told.values(), every]


@lru_cache(1024)
def _buckets(bounds: tuple[float, ...]) -> Shape:
    return (*(Part("_bucket", "le", number(bound)) for bound in bounds), Part("_bucket", "le", "+Inf"))


def _is_native(histogram: Any) -> bool:
    """As Prometheus tells them: one without observations has a span without length, or a zero bucket."""
    return bool(
        histogram.positive_span
        or histogram.negative_span
        or histogram.zero_threshold > 0
        or histogram.zero_count
        or histogram.zero_count_float
    )


def _native(family: Described, histogram: Any) -> Native:
    if not LOWEST_SCHEMA <= histogram.schema <= HIGHEST_SCHEMA:
        raise ParseError(f"{family.name} has the schema {histogram.schema}, which is not known")
    spans, counts = histogram.positive_span, _counts(histogram.positive_delta, histogram.positive_count)
    negative = _counts(histogram.negative_delta, histogram.negative_count)
    if _length(spans) != len(counts) or _length(histogram.negative_span) != len(negative):
        raise ParseError(f"{family.name} has other buckets than its spans say")
    below = (histogram.zero_count_float or histogram.zero_count) + float(negative.sum())
    total = histogram.sample_count_float or histogram.sample_count
    return Native(histogram.schema, histogram.zero_threshold, below, _spanned(spans), counts, total)


def _counts(deltas: Sequence[int], counts: Sequence[float]) -> Floats:
    """Of each bucket: whole numbers are told as differences, others as they are."""
    return np.array(counts, np.float64) if counts else np.cumsum(np.array(deltas, np.int64)).astype(np.float64)


def _length(spans: Sequence[Any]) -> int:
    return sum(span.length for span in spans)


def _spanned(spans: Sequence[Any]) -> Ints:
    """The buckets that spans name: each begins so far behind the end of the one before."""
    found, at = [np.zeros(0, np.int64)], 0
    for span in spans:
        at += span.offset
        found.append(np.arange(at, at + span.length))
        at += span.length
    return np.concatenate(found)


def _seconds(stamp: Any) -> float:
    return float(stamp.seconds + stamp.nanos / 1e9)


def series_of(name: str, pairs: Pairs, shape: Shape) -> tuple[Series, ...]:
    """The series of a metric of this family, with these labels."""
    own = [pair for pair in pairs if pair[1]]  # an empty value is no label, as in the text formats
    names = [label for label, _ in own] + ["__name__", *{part.label for part in shape if part.label}]
    if len(set(names)) < len(names):
        raise ParseError(f"a metric of {name} has a label twice, or one named __name__")
    family = name.removesuffix("_total") if is_scalar(shape) else name
    return tuple(
        shared(
            (family if part == _CREATED else name) + part.suffix,
            make((*own, (part.label, part.value))) if part.label else make(own),
        )
        for part in shape
    )


@lru_cache(1024)
def number(value: float) -> str:
    """A bound or quantile as text pages of Go programs have it: the shortest digits, 1e+06 from a million on."""
    if not isfinite(value):
        return {inf: "+Inf", -inf: "-Inf"}.get(value, "NaN")
    written = Decimal(repr(value)).normalize()
    power = written.adjusted()
    if value == 0 or -5 < power < 6:
        return format(written + 0, "f")
    return f"{written.scaleb(-power):f}e{power:+03d}"
