"""Reading remote write's message with Google's own decoder; it is described as in Prometheus's remote.proto."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from core.labels import Labels

_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = {"string": _FIELD.TYPE_STRING, "double": _FIELD.TYPE_DOUBLE, "int64": _FIELD.TYPE_INT64}
_MESSAGES = {
    "Label": [("name", "string"), ("value", "string")],
    "Sample": [("value", "double"), ("timestamp", "int64")],
    "TimeSeries": [("labels", "Label"), ("samples", "Sample")],
    "WriteRequest": [("timeseries", "TimeSeries")],
}
"""Fields in the order of their numbers, from 1; fields of other messages are repeated."""


class Sample(NamedTuple):
    """One sample as it went over the wire: the value's 64 bits, so that every NaN is told from others."""

    labels: Labels
    time_ms: int
    bits: int


def _message() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, 1):
            if kind in _KINDS:
                message.field.add(name=field, number=number, type=_KINDS[kind], label=_FIELD.LABEL_OPTIONAL)
            else:
                message.field.add(
                    name=field,
                    number=number,
                    type=_FIELD.TYPE_MESSAGE,
                    type_name=f".prometheus.{kind}",
                    label=_FIELD.LABEL_REPEATED,
                )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = _message()


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
