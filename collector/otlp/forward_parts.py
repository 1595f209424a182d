"""What of a request is forwarded: all of it as it came, or the spans of the traces that are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.trace.v1 import trace_pb2

ALL, SAMPLED = "all", "sampled"


class Parcel(NamedTuple):
    """Spans as a serialised ExportTraceServiceRequest. Several of them, one after the other, are one request too."""

    body: bytes
    spans: int


def parcels(
    request: otlp.ExportTraceServiceRequest, wanted: Collection[str], keeps: Callable[[str], bool]
) -> Mapping[str, Parcel]:
    """The parcel of each wanted choice that has spans. `keeps`: whether the spans of a trace id are kept."""
    found = {}
    if ALL in wanted:
        found[ALL] = _parcel(request)
    if SAMPLED in wanted:
        found[SAMPLED] = _parcel(_kept(request, keeps))
    return {which: parcel for which, parcel in found.items() if parcel.spans}


def _parcel(request: otlp.ExportTraceServiceRequest) -> Parcel:
    spans = sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans)
    return Parcel(request.SerializeToString() if spans else b"", spans)


def _kept(request: otlp.ExportTraceServiceRequest, keeps: Callable[[str], bool]) -> otlp.ExportTraceServiceRequest:
    traces = {span.trace_id for one in request.resource_spans for scope in one.scope_spans for span in scope.spans}
    kept = {trace_id for trace_id in traces if keeps(trace_id.hex())}
    result = otlp.ExportTraceServiceRequest()
    for one in request.resource_spans if kept else ():
        scopes = [_scope(scope, kept) for scope in one.scope_spans]
        if any(scope.spans for scope in scopes):
            full = [scope for scope in scopes if scope.spans]
            result.resource_spans.add(resource=one.resource, schema_url=one.schema_url, scope_spans=full)
    return result


def _scope(scope: trace_pb2.ScopeSpans, kept: Collection[bytes]) -> trace_pb2.ScopeSpans:
    spans = [span for span in scope.spans if span.trace_id in kept]
    return trace_pb2.ScopeSpans(scope=scope.scope, schema_url=scope.schema_url, spans=spans)
