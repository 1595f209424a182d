"""From bytes to OTLP's message, by the rules of its two encodings.

OTLP/JSON is no protobuf JSON: ids are hexadecimal, enums are whole numbers, only lowerCamelCase names count. Unknown
names are left out. (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

from collector.otlp.answer import PROTOBUF
from core.errors import ParseError

_DEEPEST = 100
"""As protobuf's own decoders: values within values beyond this are an attack, not telemetry."""
_HEXADECIMAL = frozenset({"trace_id", "span_id", "parent_span_id"})
_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def decode(data: bytes, media: str) -> otlp.ExportTraceServiceRequest:
    """The request; ParseError where the body does not follow its encoding."""
    request = otlp.ExportTraceServiceRequest()
    decode_into(request, data, media)
    return request


def decode_into(request: Message, data: bytes, media: str) -> None:
    """Fill an empty request of any kind; ParseError where the body does not follow its encoding."""
    if media != PROTOBUF:
        _fill(request, _object(data), 0)
        return
    try:
        request.ParseFromString(data)
    except DecodeError:
        raise ParseError(f"the body is no {request.DESCRIPTOR.name} in protobuf") from None


def _object(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"the body is no JSON: line {error.lineno}, column {error.colno}") from None
    if not isinstance(document, dict):
        raise ParseError("the body must be one JSON object")
    return document


def _fill(message: Message, values: Mapping[str, Any], depth: int) -> None:
    if depth > _DEEPEST:
        raise ParseError(f"values are nested over {_DEEPEST} deep")
    for field in message.DESCRIPTOR.fields:
        value = values.get(field.json_name)
        if value is None:
            continue
        if field.is_repeated:
            _repeat(message, field, value, depth)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = getattr(message, field.name)
            inner.SetInParent()
            _fill(inner, _expect(value, dict, field), depth + 1)
        else:
            setattr(message, field.name, _scalar(field, value))


def _repeat(message: Message, field: FieldDescriptor, value: Any, depth: int) -> None:
    into = getattr(message, field.name)
    for one in _expect(value, list, field):
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _fill(into.add(), _expect(one, dict, field), depth + 1)
        else:
            into.append(_scalar(field, one))


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    try:
        return _READERS[field.type](field, value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(field) from None


def _bytes(field: FieldDescriptor, value: Any) -> bytes:
    text = _expect(value, str, field)
    return bytes.fromhex(text) if field.name in _HEXADECIMAL else base64.b64decode(text, validate=True)


def _integer(field: FieldDescriptor, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong(field)
    number = int(value)
    low, high = _RANGES[field.type]
    if not low <= number <= high:
        raise _wrong(field)
    return number


def _enum(field: FieldDescriptor, value: Any) -> int:
    if isinstance(value, str):
        raise ParseError(f"{field.json_name} must be a whole number, not a name")
    return _integer(field, value)


def _float(field: FieldDescriptor, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(field)
    return _FLOATS[value] if isinstance(value, str) and value in _FLOATS else float(value)


def _text(field: FieldDescriptor, value: Any) -> str:
    return str(_expect(value, str, field))


def _boolean(field: FieldDescriptor, value: Any) -> bool:
    return bool(_expect(value, bool, field))


_SIGNED, _UNSIGNED = (-(2**31), 2**31 - 1), (0, 2**32 - 1)
_LONG_SIGNED, _LONG_UNSIGNED = (-(2**63), 2**63 - 1), (0, 2**64 - 1)
_RANGES = {
    FieldDescriptor.TYPE_ENUM: _SIGNED,
    FieldDescriptor.TYPE_INT32: _SIGNED,
    FieldDescriptor.TYPE_UINT32: _UNSIGNED,
    FieldDescriptor.TYPE_FIXED32: _UNSIGNED,
    FieldDescriptor.TYPE_INT64: _LONG_SIGNED,
    FieldDescriptor.TYPE_SINT32: _SIGNED,
    FieldDescriptor.TYPE_SFIXED64: _LONG_SIGNED,
    FieldDescriptor.TYPE_UINT64: _LONG_UNSIGNED,
    FieldDescriptor.TYPE_FIXED64: _LONG_UNSIGNED,
}
_READERS: Mapping[int, Callable[[FieldDescriptor, Any], Any]] = {
    **dict.fromkeys(_RANGES, _integer),
    FieldDescriptor.TYPE_ENUM: _enum,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_DOUBLE: _float,
    FieldDescriptor.TYPE_FLOAT: _float,
}


def _expect(value: Any, kind: type, field: FieldDescriptor) -> Any:
    if not isinstance(value, kind):
        raise _wrong(field)
    return value


def _wrong(field: FieldDescriptor) -> ParseError:
    return ParseError(f"{field.json_name} in {field.containing_type.name} has a value of the wrong type")
