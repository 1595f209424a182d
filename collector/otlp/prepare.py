"""From a decoded request to what can be committed. No input or output, but for the sealing of texts.

What is wrong with one span refuses that span; the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

from collector.otlp import genai
from collector.otlp.attributes import kept_span
from collector.otlp.content import Document, documents_of, payload_of
from collector.otlp.genai import Rules
from collector.otlp.retrieval import Retrievals
from collector.otlp.spans import RawSpan, read_attributes, read_span
from core.errors import ParseError
from core.texts import Payload, TextCipher
from storage.generations import Generation, Span

MOST_SPANS = 500
"""Spans kept of one trace in one request: a waterfall of more cannot be read, and one trace must not fill the disk."""
MOST_TEXT = 2**20
"""Bytes of a text that is stored; beyond, the answer is scored as failed, never as clear."""


class Call(NamedTuple):
    """A generation that is to be counted, and its sealed text where it was drawn and told one."""

    generation: Generation
    goodput_reason: str
    text: bytes | None


class Prepared(NamedTuple):
    """What a request brings; `problem` is the first refused span's. The last two only count what was left out."""

    calls: tuple[Call, ...]
    spans: tuple[Span, ...]
    rejected: int = 0
    problem: str = ""
    spans_cut: int = 0
    texts_cut: int = 0


class Preparer:
    """Reads requests, one at a time. `earliest` is the Unix time before which a call cannot be told from one that is
    sent again."""

    def __init__(self, rules: Rules, cipher: TextCipher) -> None:
        self._rules = rules
        self._cipher = cipher
        self._retrievals = Retrievals()

    def prepare(self, request: otlp.ExportTraceServiceRequest, now: float, earliest: float) -> Prepared:
        """What the request brings at `now`."""
        problems: list[str] = []
        spans = list(_readable(request, now, problems))
        self._retrievals.remember(spans, now)
        good: list[RawSpan] = []
        calls: list[Call] = []
        cut = 0
        for span in spans:
            try:
                call, too_long = self._call(span, now, earliest)
            except ParseError as error:
                problems.append(str(error))
                continue
            good.append(span)
            calls += [call] if call is not None else []
            cut += too_long
        kept, left_out = self._kept(good)
        return Prepared(tuple(calls), kept, len(problems), problems[0] if problems else "", left_out, cut)

    def _call(self, span: RawSpan, now: float, earliest: float) -> tuple[Call | None, bool]:
        """The generation that a span is, if it is one, and whether its text is too long."""
        if not genai.is_generation(span, self._rules.settings.operations):
            return None, False
        if span.ended_at < earliest:
            raise ParseError(
                f"span {span.span_id} of trace {span.trace_id}: it ended {now - span.ended_at:.0f} s ago, "
                "and could not be told from one that was counted then (retention.unsampled)"
            )
        own = documents_of(span)
        others = () if own else self._retrievals.before(span)
        told = genai.to_generation(span, self._rules, now, own, others)
        payload = self._payload(span, told.generation, own or others)
        too_long = payload is not None and len(payload.encode()) > MOST_TEXT
        text = None if payload is None or too_long else self._cipher.seal((span.trace_id, span.span_id), payload)
        return Call(told.generation, told.goodput_reason, text), too_long

    def _payload(self, span: RawSpan, found: Generation, documents: tuple[Document, ...]) -> Payload | None:
        return payload_of(span, documents) if found.sampled else None

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


def _readable(request: otlp.ExportTraceServiceRequest, now: float, problems: list[str]) -> Iterator[RawSpan]:
    for resource_spans in request.resource_spans:
        resource = read_attributes(resource_spans.resource.attributes)
        for span in (span for scope in resource_spans.scope_spans for span in scope.spans):
            try:
                yield read_span(span, resource, now)
            except ParseError as error:
                problems.append(str(error))
