"""What was retrieved for a call, where another span of the same trace told it, not the call's own.

Retrievals end before the call that they feed, and may come in an earlier request: they wait here, in memory alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from collector.otlp.documents import Document, retrieved_by
from collector.otlp.spans import RawSpan

_WAIT = 300.0
_MOST_CHARACTERS = 32 * 2**20
_MOST_TRACES = 10_000


class _Found(NamedTuple):
    span_id: str
    ended_at: float
    documents: tuple[Document, ...]
    last: bool


class Retrievals:
    """Documents by trace, of the last minutes. `now` is in Unix seconds; `times` as for `retrieved_by`."""

    def __init__(self, times: Sequence[str]) -> None:
        self._times = times
        self._traces: OrderedDict[str, tuple[float, list[_Found]]] = OrderedDict()
        self._characters = 0

    def remember(self, spans: Iterable[RawSpan], now: float) -> None:
        """Keep what spans that are no generations retrieved, and forget what is old or too much."""
        for span in spans:
            retrieved = retrieved_by(span, self._times)
            if retrieved.documents:
                self._keep(_Found(span.span_id, span.ended_at, *retrieved), span.trace_id, now)
        while self._traces and self._must_go(now):
            _, (_, gone) = self._traces.popitem(last=False)
            self._characters -= sum(map(_size, gone))

    def before(self, span: RawSpan) -> tuple[Document, ...]:
        """The documents that the span's trace retrieved before the span ended."""
        _, found = self._traces.get(span.trace_id, (0.0, []))
        known = [one for one in found if one.ended_at <= span.ended_at]
        since = max((one.ended_at for one in known if one.last), default=None)
        used = known if since is None else [one for one in known if one.last or one.ended_at > since]
        return tuple(document for one in used for document in one.documents)

    def _keep(self, one: _Found, trace_id: str, now: float) -> None:
        _, found = self._traces.setdefault(trace_id, (now, []))
        if all(other.span_id != one.span_id for other in found):
            found.append(one)
            self._characters += _size(one)

    def _must_go(self, now: float) -> bool:
        since, _ = next(iter(self._traces.values()))
        crowded = self._characters > _MOST_CHARACTERS or len(self._traces) > _MOST_TRACES
        return crowded or since < now - _WAIT


def _size(found: _Found) -> int:
    return sum(len(one.text or "") + len(one.id) for one in found.documents)
