"""A call that two instrumentations of one process tell: one wraps the client, the other what the client calls.

Their spans are parent and child. The inner one is the call; the outer one is kept for the waterfall and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collector.otlp.spans import RawSpan
from storage.generations import SpanId


def told_again(calls: Iterable[RawSpan]) -> set[SpanId]:
    """Of the calls of one request, those that wrap another one of them as its direct parent.

    A parent of the same instrumentation, or of another process, is a call of its own: a tool may ask a model again, and
    a gateway's call is another's.
    """
    known = {(one.trace_id, one.span_id): one for one in calls}
    outer_of = {ids: wrapper for ids, one in known.items() if (wrapper := _wrapper(one, known))}
    found: set[SpanId] = set()
    for innermost in outer_of.keys() - set(outer_of.values()):  # so that of spans in a circle none is lost
        at = outer_of.get(innermost)
        while at is not None and at not in found:
            found.add(at)
            at = outer_of.get(at)
    return found


def _wrapper(inner: RawSpan, known: Mapping[SpanId, RawSpan]) -> SpanId | None:
    ids = inner.trace_id, inner.parent_id or ""
    outer = known.get(ids)
    return ids if outer is not None and _wraps(outer, inner) else None


def _wraps(outer: RawSpan, inner: RawSpan) -> bool:
    # Where an answer is streamed, either span may be the one that ends last.
    within = outer.started_at <= inner.started_at <= outer.ended_at
    return within and outer.scope != inner.scope and outer.resource == inner.resource
