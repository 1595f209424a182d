"""`prometheus.WriteRequest` in Google's protobuf, described as in its remote.proto: a codec that is not ours."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = {"string": _FIELD.TYPE_STRING, "double": _FIELD.TYPE_DOUBLE, "int64": _FIELD.TYPE_INT64}
_MESSAGES = {
    "Label": [("name", "string"), ("value", "string")],
    "Sample": [("value", "double"), ("timestamp", "int64")],
    "TimeSeries": [("labels", "Label"), ("samples", "Sample")],
    "WriteRequest": [("timeseries", "TimeSeries")],
}
"""Fields in the order of their numbers, from 1; fields of other messages are repeated."""


def _message() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, 1):
            if kind in _KINDS:
                message.field.add(name=field, number=number, type=_KINDS[kind], label=_FIELD.LABEL_OPTIONAL)
            else:
                of = f".prometheus.{kind}"
                message.field.add(
                    name=field, number=number, type=_FIELD.TYPE_MESSAGE, type_name=of, label=_FIELD.LABEL_REPEATED
                )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = _message()
