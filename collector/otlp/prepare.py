"""From a decoded request to what can be committed. No input or output, but for the sealing of texts.

What is wrong with one span refuses that span; the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

from collector.otlp import genai
from collector.otlp.attributes import kept_span
from collector.otlp.content import payload_of, tells_text
from collector.otlp.documents import Document, retrieved_by
from collector.otlp.genai import Rules
from collector.otlp.glance import Glance
from collector.otlp.retrieval import Retrievals
from collector.otlp.spans import RawSpan, read_attributes, read_span
from collector.otlp.twice import told_again
from core.errors import ParseError
from core.texts import TextCipher
from storage.generations import Generation, Span

MOST_SPANS = 500
"""Spans kept of one trace in one request: a waterfall of more cannot be read, and one trace must not fill the disk."""
MOST_TEXT = 2**20
"""Bytes of a text that is stored; beyond, the answer is scored as failed, never as clear."""
NOT_DRAWN, TOO_LONG = "not_drawn", "too_long"


class Call(NamedTuple):
    """A generation that is to be counted, and its sealed text where it was drawn and told one.

    `text_dropped`: why a text that was told is not stored.
    """

    generation: Generation
    goodput_reason: str
    text: bytes | None
    text_dropped: str = ""


class Prepared(NamedTuple):
    """What a request brings; `problem` is the first refused span's.

    The rest only counts what was left out, `texts_dropped` by reason.
    """

    calls: tuple[Call, ...]
    spans: tuple[Span, ...]
    rejected: int = 0
    problem: str = ""
    spans_cut: int = 0
    told_again: int = 0
    texts_dropped: Mapping[str, int] = MappingProxyType({})


class Preparer:
    """Reads requests, one at a time. `earliest` is the Unix time before which a call cannot be told from one that is
    sent again."""

    def __init__(self, rules: Rules, cipher: TextCipher) -> None:
        self._rules = rules
        self._cipher = cipher
        self._retrievals = Retrievals(rules.settings.document_times)

    def keeps(self, trace_id: str) -> bool:
        """Whether the spans of a trace are kept."""
        return self._rules.sampler.keeps(trace_id)

    def prepare(self, request: otlp.ExportTraceServiceRequest, now: float, earliest: float) -> Prepared:
        """What the request brings at `now`."""
        problems: list[str] = []
        self._rules.sampler.settle(now)
        glance = Glance(self._rules.sampler, now)
        spans = list(_readable(request, glance, now, problems))
        told = [(span, self._is_generation(span)) for span in spans]
        self._retrievals.remember((span for span, is_call in told if not is_call), now)
        good: list[RawSpan] = []
        calls: list[tuple[RawSpan, Call]] = []
        for span, is_call in told:
            try:
                call = self._call(span, now, earliest) if is_call else None
            except ParseError as error:
                problems.append(str(error))
                continue
            good.append(span)
            calls += [(span, call)] if call is not None else []
        good += (read_span(span, resource, scope, now) for span, scope, resource in glance.of_drawn())
        again = told_again(span for span, _ in calls)
        counted = tuple(call for span, call in calls if (span.trace_id, span.span_id) not in again)
        kept, left_out = self._kept(good)
        return Prepared(
            counted,
            kept,
            len(problems),
            problems[0] if problems else "",
            left_out,
            len(calls) - len(counted),
            Counter(call.text_dropped for call in counted if call.text_dropped),
        )

    def _call(self, span: RawSpan, now: float, earliest: float) -> Call:
        """The generation that a span is."""
        if span.ended_at < earliest:
            raise ParseError(
                f"span {span.span_id} of trace {span.trace_id}: it ended {now - span.ended_at:.0f} s ago, "
                "and could not be told from one that was counted then (retention.unsampled)"
            )
        own = retrieved_by(span, self._rules.settings.document_times).documents
        others = () if own else self._retrievals.before(span)
        told = genai.to_generation(span, self._rules, now, own, others)
        text, dropped = self._text(span, own or others) if told.generation.sampled else (None, _not_drawn(span))
        return Call(told.generation, told.goodput_reason, text, dropped)

    def _text(self, span: RawSpan, documents: tuple[Document, ...]) -> tuple[bytes | None, str]:
        """The sealed text, or why there is none although the span told one."""
        payload = payload_of(span, documents)
        if payload is None:
            return None, ""
        if len(payload.encode()) > MOST_TEXT:
            return None, TOO_LONG
        return self._cipher.seal((span.trace_id, span.span_id), payload), ""

    def _is_generation(self, span: RawSpan) -> bool:
        return genai.is_generation(span, self._rules.settings.operations)

    def _kept(self, spans: Iterable[RawSpan]) -> tuple[tuple[Span, ...], int]:
        """The spans of traces that could be drawn, and how many more there were than are kept."""
        of_trace: Counter[str] = Counter()
        kept: list[Span] = []
        for span in spans:
            if self._rules.sampler.keeps(span.trace_id):
                of_trace[span.trace_id] += 1
                if of_trace[span.trace_id] <= MOST_SPANS:
                    kept.append(kept_span(span, self._rules.settings.keep_attributes))
        return tuple(kept), of_trace.total() - len(kept)


def _not_drawn(span: RawSpan) -> str:
    return NOT_DRAWN if tells_text(span) else ""


def _readable(
    request: otlp.ExportTraceServiceRequest, glance: Glance, now: float, problems: list[str]
) -> Iterator[RawSpan]:
    for resource_spans in request.resource_spans:
        resource = read_attributes(resource_spans.resource.attributes)
        for scope, span in ((one.scope.name, span) for one in resource_spans.scope_spans for span in one.spans):
            if not glance.needs(span, scope, resource):
                continue
            try:
                yield read_span(span, resource, scope, now)
            except ParseError as error:
                problems.append(str(error))
