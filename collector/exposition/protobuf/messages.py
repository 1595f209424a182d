"""The messages of Prometheus's protobuf page, as classes: made from their field numbers, without a compiler.

Source: io/prometheus/client/metrics.proto of prometheus/client_model (Apache-2.0). Only what is read here is named;
other fields, such as HELP and exemplars, are passed over by the decoder. They are of proto3, as Prometheus's server has
them: text that is not UTF-8 is refused.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "burnline.exposition"
_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES = {
    "LabelPair": "string name 1, string value 2",
    "Timestamp": "int64 seconds 1, int32 nanos 2",
    "Gauge": "double value 1",
    "Counter": "double value 1, Timestamp created_timestamp 3",
    "Quantile": "double quantile 1, double value 2",
    "Summary": "uint64 sample_count 1, double sample_sum 2, Quantile* quantile 3, Timestamp created_timestamp 4",
    "Untyped": "double value 1",
    "Bucket": "uint64 cumulative_count 1, double upper_bound 2, double cumulative_count_float 4",
    "BucketSpan": "sint32 offset 1, uint32 length 2",
    "Histogram": (
        "uint64 sample_count 1, double sample_sum 2, Bucket* bucket 3, double sample_count_float 4, sint32 schema 5, "
        "double zero_threshold 6, uint64 zero_count 7, double zero_count_float 8, BucketSpan* negative_span 9, "
        "sint64* negative_delta 10, double* negative_count 11, BucketSpan* positive_span 12, "
        "sint64* positive_delta 13, double* positive_count 14, Timestamp created_timestamp 15"
    ),
    "Metric": (
        "LabelPair* label 1, Gauge gauge 2, Counter counter 3, Summary summary 4, Untyped untyped 5, "
        "int64 timestamp_ms 6, Histogram histogram 7"
    ),
    "MetricFamily": "string name 1, int32 type 3, Metric* metric 4, string unit 5",
}
"""Message -> its fields: type (`*`: repeated), name, number. An enum is the number that it is on the wire."""


def _field(text: str) -> descriptor_pb2.FieldDescriptorProto:
    kind, name, number = text.split()
    scalar = f"TYPE_{kind.rstrip('*').upper()}"
    field = _FIELD(name=name, number=int(number))
    field.label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
    if kind.rstrip("*") in _MESSAGES:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind.rstrip('*')}"
    else:
        field.type = _FIELD.Type.Value(scalar)
    return field


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="burnline/exposition.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        file.message_type.add(name=name).field.extend(map(_field, fields.split(", ")))
    return file


_pool = descriptor_pool.DescriptorPool()  # its own: another package may bring Prometheus's messages, too
_pool.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


MetricFamily, Metric = _class("MetricFamily"), _class("Metric")
"""One family of a page: its name, its type and its metrics; one of these."""

COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)
"""Values of MetricFamily.type."""
