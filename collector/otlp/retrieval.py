"""What was retrieved for a call, where a retrieval span of the same trace told it, not the call's own span.

Retrievals end before the call that they feed, and may come in an earlier request: they wait here, in memory alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from collector.otlp.content import Document, documents_of
from collector.otlp.spans import RawSpan

OPERATION = "retrieval"
_WAIT = 300.0
_MOST_CHARACTERS = 32 * 2**20
_MOST_TRACES = 10_000


class _Found(NamedTuple):
    span_id: str
    ended_at: float
    documents: tuple[Document, ...]


class Retrievals:
    """Documents by trace, of the last minutes. `now` is in Unix seconds."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, tuple[float, list[_Found]]] = OrderedDict()
        self._characters = 0

    def remember(self, spans: Iterable[RawSpan], now: float) -> None:
        """Keep what retrieval spans told, and forget what is old or too much."""
        for span in spans:
            if span.attributes.get("gen_ai.operation.name") == OPERATION and (documents := documents_of(span)):
                self._keep(span, documents, now)
        while self._traces and self._must_go(now):
            _, (_, gone) = self._traces.popitem(last=False)
            self._characters -= sum(map(_size, gone))

    def before(self, span: RawSpan) -> tuple[Document, ...]:
        """The documents that the span's trace retrieved before the span ended."""
        _, found = self._traces.get(span.trace_id, (0.0, []))
        return tuple(document for one in found if one.ended_at <= span.ended_at for document in one.documents)

    def _keep(self, span: RawSpan, documents: tuple[Document, ...], now: float) -> None:
        _, found = self._traces.setdefault(span.trace_id, (now, []))
        if all(one.span_id != span.span_id for one in found):
            found.append(_Found(span.span_id, span.ended_at, documents))
            self._characters += _size(found[-1])

    def _must_go(self, now: float) -> bool:
        since, _ = next(iter(self._traces.values()))
        crowded = self._characters > _MOST_CHARACTERS or len(self._traces) > _MOST_TRACES
        return crowded or since < now - _WAIT


def _size(found: _Found) -> int:
    return sum(len(one.text or "") + len(one.id) for one in found.documents)
