"""What can be passed over: a span of which nothing would be counted or kept, told by as few looks at it as possible.

Most spans of an application are no model calls, and most traces are not drawn. To read such a span whole takes 10 µs,
to see that nothing of it is needed a third of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1 import trace_pb2

from collector.otlp.sampling import Sampler

ROOTS = (
    "gen_ai.",
    "llm.",
    "openinference.",
    "traceloop.",
    "input.",
    "output.",
    "retrieval.",
    "reranker.",
    "embedding.",
    "tool.",
)
"""Attributes with these beginnings tell of model calls and what belongs to them, in the dialects that are read."""
_BEFORE, _AHEAD = 3600.0, 60.0
"""Seconds around now: a span of another time is read whole, which says whether it is refused."""
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class _Passed(NamedTuple):
    """A span that was passed over, the name of its scope, and its resource's attributes."""

    span: trace_pb2.Span
    scope: str
    resource: Mapping[str, Any]


class Glance:
    """Looks at the spans of one request, which came at `now` (Unix seconds)."""

    def __init__(self, sampler: Sampler, now: float) -> None:
        self._sampler = sampler
        self._first = int((now - _BEFORE) * 1e9)
        self._last = int((now + _AHEAD) * 1e9)
        self._kept: dict[bytes, bool] = {}
        self._passed: list[_Passed] = []

    def needs(self, span: trace_pb2.Span, scope: str, resource: Mapping[str, Any]) -> bool:
        """Whether the span must be read; `of_drawn` gives the others back, should their trace be drawn after all."""
        if not self.passes_over(span):
            return True
        if self._sampler.draws_beyond:
            self._passed.append(_Passed(span, scope, resource))
        return False

    def of_drawn(self) -> Iterator[_Passed]:
        """The spans that were passed over and whose trace is kept now."""
        self._kept.clear()
        return (one for one in self._passed if self._keeps(one.span.trace_id))

    def passes_over(self, span: trace_pb2.Span) -> bool:
        """Whether the span is in order and nothing of it is needed. Events may hold documents: they are read."""
        return not span.events and self._is_in_order(span) and not _tells(span) and not self._keeps(span.trace_id)

    def _is_in_order(self, span: trace_pb2.Span) -> bool:
        trace_id, span_id = span.trace_id, span.span_id
        if len(trace_id) != len(_NO_TRACE) or len(span_id) != len(_NO_SPAN):
            return False
        if trace_id == _NO_TRACE or span_id == _NO_SPAN or len(span.parent_span_id) not in (0, len(_NO_SPAN)):
            return False
        return self._first <= span.start_time_unix_nano <= span.end_time_unix_nano <= self._last

    def _keeps(self, trace_id: bytes) -> bool:
        found = self._kept.get(trace_id)
        if found is None:
            found = self._kept[trace_id] = self._sampler.keeps(trace_id.hex())
        return found


def _tells(span: trace_pb2.Span) -> bool:
    return any(pair.key.startswith(ROOTS) for pair in span.attributes)
