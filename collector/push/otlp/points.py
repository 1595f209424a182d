"""The data points of one metric as samples of Prometheus's series; those that cannot be counted are refused with why.

A histogram becomes its cumulative buckets, `_sum` and `_count`; a start time becomes `_created`, by which the counter
rules tell a process that began anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import isfinite
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from collector.otlp.spans import read_attributes
from collector.push.otlp.names import label_name, metric_name

_CUMULATIVE = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
_DELTA = otlp.AGGREGATION_TEMPORALITY_DELTA
_NO_VALUE = otlp.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

Number = otlp.NumberDataPoint
Histogram = otlp.HistogramDataPoint


class Point(NamedTuple):
    """One data point: its series with their values, None where it tells that it has none.

    `time`, `start`: nanoseconds, 0 where it does not tell; `delta`: it tells what was added since `start`, None for a
    gauge, which may stand beside either.
    """

    labels: dict[str, str]
    time: int
    start: int
    delta: bool | None
    values: list[tuple[str, str, float | None]]
    """(name, bound of a bucket or nothing, value)."""


def read(metric: otlp.Metric) -> Iterator[Point | str]:
    """The points of a metric; a text is a point that is refused, and why."""
    kind = metric.WhichOneof("data")
    name = metric.name[:100]
    if kind == "gauge":
        yield from (_number(metric, one, None, counter=False) for one in metric.gauge.data_points)
    elif kind == "sum":
        yield from _sums(metric)
    elif kind == "histogram":
        yield from _histograms(metric)
    elif kind is not None:
        spoken = kind.replace("_", " ")
        points = len(getattr(metric, kind).data_points)
        yield from [f"{name}: a {spoken} is not counted: send histograms with explicit bounds"] * points


def _sums(metric: otlp.Metric) -> Iterator[Point | str]:
    data, name = metric.sum, metric.name[:100]
    for one in data.data_points:
        if data.aggregation_temporality not in (_CUMULATIVE, _DELTA):
            yield f"{name}: a sum without aggregation temporality"
        elif data.is_monotonic:
            yield _number(metric, one, data.aggregation_temporality == _DELTA, counter=True)
        elif data.aggregation_temporality == _CUMULATIVE:
            yield _number(metric, one, None, counter=False)
        else:
            yield f"{name}: changes of a sum that may fall say nothing of its value: send it cumulative"


def _number(metric: otlp.Metric, one: Number, delta: bool | None, *, counter: bool) -> Point:
    name = metric_name(metric.name, metric.unit, counter=counter, gauge=metric.HasField("gauge"))
    value = _blank(one.flags, one.as_double if one.WhichOneof("value") == "as_double" else float(one.as_int))
    values = [(name, "", value)]
    if counter and not delta and one.start_time_unix_nano and value is not None:
        values.append((f"{name.removesuffix('_total')}_created", "", one.start_time_unix_nano / 1e9))
    return Point(labels_of(one.attributes), one.time_unix_nano, one.start_time_unix_nano, delta, values)


def _histograms(metric: otlp.Metric) -> Iterator[Point | str]:
    data, name = metric.histogram, metric.name[:100]
    for one in data.data_points:
        bounds = list(one.explicit_bounds)
        if data.aggregation_temporality not in (_CUMULATIVE, _DELTA):
            yield f"{name}: a histogram without aggregation temporality"
        elif not _fit(bounds, len(one.bucket_counts)):
            yield f"{name}: {len(one.bucket_counts)} buckets do not fit {len(bounds)} rising bounds"
        else:
            yield _histogram(metric, one, data.aggregation_temporality == _DELTA)


def _fit(bounds: Sequence[float], buckets: int) -> bool:
    rising = all(map(isfinite, bounds)) and all(low < high for low, high in pairwise(bounds))
    return rising and buckets in (len(bounds) + 1, 0)


def _histogram(metric: otlp.Metric, one: Histogram, delta: bool) -> Point:
    name = metric_name(metric.name, metric.unit)
    counts = list(accumulate(one.bucket_counts)) or [one.count]
    bounds = [repr(bound) for bound in one.explicit_bounds][: len(counts) - 1]
    told: list[tuple[str, str, float]] = [
        (f"{name}_bucket", bound, float(n)) for bound, n in zip([*bounds, "+Inf"], counts, strict=True)
    ]
    told.append((f"{name}_count", "", float(counts[-1])))
    if one.HasField("sum"):
        told.append((f"{name}_sum", "", one.sum))
    if not delta and one.start_time_unix_nano:
        told.append((f"{name}_created", "", one.start_time_unix_nano / 1e9))
    values = [(series, bound, _blank(one.flags, value)) for series, bound, value in told]
    return Point(labels_of(one.attributes), one.time_unix_nano, one.start_time_unix_nano, delta, values)


def _blank(flags: int, value: float) -> float | None:
    return None if flags & _NO_VALUE else value


def labels_of(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes as labels; of keys that become one, the values stand side by side."""
    found: dict[str, str] = {}
    for key, value in sorted(read_attributes(attributes).items()):
        name, text = label_name(key), text_of(value)
        if name and text:
            found[name] = f"{found[name]};{text}" if name in found else text
    return found


def text_of(value: object) -> str:
    """An attribute's value as a label's."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
