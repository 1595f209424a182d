"""From a span to a generation, by the GenAI conventions 1.41; names of 1.36 stand in where the new ones are absent.

https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-spans.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto

from collector.otlp.attributes import error_type
from collector.otlp.content import Document
from collector.otlp.sampling import Sampler
from collector.otlp.spans import RawSpan
from collector.settings import GoodputLimits, OtlpSettings, Price
from core.errors import ParseError
from core.labels import make
from core.measures import Group
from storage.generations import Generation

GOOD, BAD, EXCLUDED = "good", "bad", "excluded"
CANCELLED = frozenset(
    {"cancelled", "canceled", "CancelledError", "asyncio.exceptions.CancelledError", "client_disconnect"}
)
_CALLER_KINDS = (SpanProto.SPAN_KIND_UNSPECIFIED, SpanProto.SPAN_KIND_INTERNAL, SpanProto.SPAN_KIND_CLIENT)
"""Spans of kind server tell of the same call from its other end."""
_LONGEST_VALUE = 256
_MOST_TOKENS = 2**53
"""Beyond this a number of tokens is no number of tokens, and no exact JSON number either."""


class Rules(NamedTuple):
    """What the settings say of generations; `dimensions` are the fleet's."""

    settings: OtlpSettings
    dimensions: Sequence[str]
    sampler: Sampler


class Told(NamedTuple):
    """A generation, and why its goodput is what it is."""

    generation: Generation
    goodput_reason: str


class Usage(NamedTuple):
    """Tokens; cached ones are part of the input. None is unknown."""

    input: int | None
    cached: int | None
    output: int | None


class Timing(NamedTuple):
    """Seconds; None is unknown."""

    ttft: float | None
    itl: float | None
    no_gap: bool
    """The answer had at most one token: no time between two tokens could be too long."""


def is_generation(span: RawSpan, operations: Sequence[str]) -> bool:
    """Whether a span is a model call seen by its caller."""
    return span.kind in _CALLER_KINDS and span.attributes.get("gen_ai.operation.name") in operations


def to_generation(
    span: RawSpan, rules: Rules, received_at: float, own: Sequence[Document], others: Sequence[Document]
) -> Told:
    """The generation of a span; ParseError where an attribute has the wrong type.

    `own` documents were told by the span itself, `others` by its trace: only the first decide its stratum, so that the
    order in which spans arrive decides nothing.
    """
    read = Reader(span)
    group = group_of(span, rules)
    error = error_type(span)
    reasons = read.texts("gen_ai.response.finish_reasons")
    outcome = outcome_of(error, failed=span.failed or "error" in reasons)
    usage = _usage(read)
    timing = timing_of(span.duration, read.seconds("gen_ai.response.time_to_first_chunk"), usage.output)
    operation = str(span.attributes["gen_ai.operation.name"])
    labels = {**dict(group), "operation": operation, "outcome": outcome, "retrieval": "true" if own else "false"}
    drawn = rules.sampler.draw(span.trace_id, labels)
    streamed = read.flag("gen_ai.request.stream")
    documents = own or others
    goodput, reason = goodput_of(outcome, timing, rules.settings.goodput)
    generation = Generation(
        trace_id=span.trace_id,
        span_id=span.span_id,
        at=span.ended_at,
        received_at=received_at,
        group=group,
        operation=operation,
        outcome=outcome,
        goodput=goodput,
        duration=span.duration,
        stratum=drawn.stratum,
        probability=drawn.probability,
        sampled=drawn.drawn,
        provider=read.text("gen_ai.provider.name", "gen_ai.system"),
        error_type=error,
        finish_reason=reasons[0] if reasons else None,
        streamed=True if streamed is None and timing.ttft is not None else streamed,
        input_tokens=usage.input,
        cached_tokens=usage.cached,
        output_tokens=usage.output,
        ttft=timing.ttft,
        itl=timing.itl,
        cost_micros=cost_of(usage, dict(group).get("model", ""), rules.settings.prices),
        retrieval=[{"id": one.id, "score": one.score} for one in documents] or None,
    )
    return Told(generation, reason)


def group_of(span: RawSpan, rules: Rules) -> Group:
    """The dimensions that the span or its resource tells; the others are absent."""
    found = {}
    for dimension in rules.dimensions:
        for name in rules.settings.dimensions.get(dimension, ()):
            value = span.attributes.get(name, span.resource.get(name))
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                found[dimension] = str(value)[:_LONGEST_VALUE]
                break
    return make(found)


def outcome_of(error: str | None, *, failed: bool) -> str:
    """Good, bad, or excluded: the client gave up, which says nothing of the server."""
    if error in CANCELLED:
        return EXCLUDED
    return BAD if failed or error is not None else GOOD


def timing_of(duration: float, ttft: float | None, output_tokens: int | None) -> Timing:
    """The times of a call that lasted `duration` seconds; an impossible TTFT leaves the inter-token time unknown."""
    no_gap = output_tokens is not None and output_tokens <= 1
    if ttft is None or output_tokens is None or no_gap or ttft > duration:
        return Timing(ttft, None, no_gap)
    return Timing(ttft, (duration - ttft) / (output_tokens - 1), no_gap)


def goodput_of(outcome: str, timing: Timing, limits: GoodputLimits) -> tuple[str, str]:
    """(outcome, reason) of the signal goodput: one limit that was missed is enough for bad."""
    if outcome == BAD:
        return BAD, "failed"
    if outcome == EXCLUDED:
        return EXCLUDED, "cancelled"
    late = timing.ttft is not None and timing.ttft > limits.ttft
    slow = timing.itl is not None and timing.itl > limits.itl
    if late or slow:
        return BAD, "ttft_and_itl" if late and slow else "ttft" if late else "itl"
    if timing.ttft is None or (timing.itl is None and not timing.no_gap):
        return EXCLUDED, "not_measured"
    return GOOD, "met"


def cost_of(usage: Usage, model: str, prices: Sequence[Price]) -> int | None:
    """Micro-dollars (dollars a million tokens × tokens); None without a price or without its tokens."""
    price = next((one for one in prices if fnmatchcase(model, one.model)), None)
    if price is None or usage.input is None or usage.output is None:
        return None
    cached = min(usage.cached or 0, usage.input)
    of_cached = price.input if price.cached is None else price.cached
    return round((usage.input - cached) * price.input + cached * of_cached + usage.output * price.output)


def _usage(read: Reader) -> Usage:
    return Usage(
        read.count("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        read.count("gen_ai.usage.cache_read.input_tokens"),
        read.count("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    )


class Reader:
    """Typed attributes of a span: the first of the names that is there; None where none is."""

    def __init__(self, span: RawSpan) -> None:
        self._ids = span.trace_id, span.span_id
        self._attributes: Mapping[str, Any] = span.attributes

    def text(self, *names: str) -> str | None:
        """A text, at most 256 characters of it."""
        name, value = self._first(names)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, "a text")
        return None if value is None else value[:_LONGEST_VALUE]

    def texts(self, *names: str) -> list[str]:
        """A list of texts; one text is a list of one."""
        name, value = self._first(names)
        found = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in found):
            raise self._wrong(name, "a list of texts")
        return [one[:_LONGEST_VALUE] for one in found]

    def count(self, *names: str) -> int | None:
        """A whole number, not negative; a float that is whole will do."""
        name, value = self._first(names)
        if value is None:
            return None
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MOST_TOKENS:
            raise self._wrong(name, "a whole number")
        return number

    def seconds(self, *names: str) -> float | None:
        """A duration, finite and not negative."""
        name, value = self._first(names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value < math.inf):
            raise self._wrong(name, "a number of seconds")
        return float(value)

    def flag(self, *names: str) -> bool | None:
        """True or false."""
        name, value = self._first(names)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def _first(self, names: Sequence[str]) -> tuple[str, Any]:
        return next(((name, v) for name in names if (v := self._attributes.get(name)) is not None), (names[0], None))

    def _wrong(self, name: str, wanted: str) -> ParseError:
        return ParseError(f"span {self._ids[1]} of trace {self._ids[0]}: {name} is not {wanted}")
