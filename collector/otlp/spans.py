"""From OTLP's span to one that can be read: ids as text, times in seconds, attributes as Python values, or a reason
why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from core.buckets import HOURS
from core.errors import ParseError

MOST_EVENTS = 512
"""A stream of 512 tokens draws a full timeline; longer ones show their beginning."""
_AHEAD = 600.0
_ID_BYTES = 16, 8


class RawEvent(NamedTuple):
    """Something that happened within a span, at a Unix time in seconds."""

    name: str
    at: float
    attributes: Mapping[str, Any]


class RawSpan(NamedTuple):
    """A span as it was sent. Ids are lower-case hexadecimal, times Unix seconds, `duration` seconds; `scope` names the
    instrumentation."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    started_at: float
    ended_at: float
    duration: float
    failed: bool
    attributes: Mapping[str, Any]
    events: tuple[RawEvent, ...]
    resource: Mapping[str, Any]
    scope: str


def read_span(span: trace_pb2.Span, resource: Mapping[str, Any], scope: str, now: float) -> RawSpan:
    """The span; ParseError where an id or a time is impossible. No error carries an attribute's value."""
    trace_id, span_id = _ids(span)
    problem = _impossible(span, now)
    if problem is not None:
        raise ParseError(f"span {span_id} of trace {trace_id}: {problem}")
    return RawSpan(
        trace_id,
        span_id,
        span.parent_span_id.hex() if any(span.parent_span_id) else None,
        clean(span.name),
        span.kind,
        span.start_time_unix_nano / 1e9,
        span.end_time_unix_nano / 1e9,
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        read_attributes(span.attributes),
        tuple(
            RawEvent(clean(e.name), e.time_unix_nano / 1e9, read_attributes(e.attributes))
            for e in span.events[:MOST_EVENTS]
        ),
        resource,
        scope,
    )


def _ids(span: trace_pb2.Span) -> tuple[str, str]:
    for name, value, length in zip(("trace", "span"), (span.trace_id, span.span_id), _ID_BYTES, strict=True):
        if len(value) != length or not any(value):
            raise ParseError(f"a span has no {name} id of {length} bytes: is this a log record?")
    if span.parent_span_id and len(span.parent_span_id) != _ID_BYTES[1]:
        raise ParseError(f"span {span.span_id.hex()}: its parent's id has not {_ID_BYTES[1]} bytes")
    return span.trace_id.hex(), span.span_id.hex()


def _impossible(span: trace_pb2.Span, now: float) -> str | None:
    start, end = span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9
    if not start or not end:
        return "it has no start or no end"
    if span.end_time_unix_nano < span.start_time_unix_nano:
        return "it ends before it starts"
    if end > now + _AHEAD:
        return f"it ends {end - now:.0f} s ahead: is a clock wrong?"
    if start < now - HOURS.retention:
        return "it started over 400 days ago"
    return None


def read_attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as Python values; the last of equal names counts."""
    return {clean(pair.key): _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "string_value":
        return clean(value.string_value)
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return read_attributes(value.kvlist_value.values)
    return getattr(value, kind)


def clean(text: str) -> str:
    """Without NUL, which PostgreSQL's texts cannot hold."""
    return text.replace("\x00", "")
