"""From a span to a generation, by what the dialects say: the newest dialect on a span wins, attribute by attribute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto

from collector.otlp.attributes import error_type
from collector.otlp.content import answer_of
from collector.otlp.dialects import FieldName, Source, reading
from collector.otlp.documents import Document
from collector.otlp.labels import further
from collector.otlp.messages import structured
from collector.otlp.sampling import Sampler
from collector.otlp.spans import RawSpan, clean
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
MODEL = "model"
_MODEL_FIELDS: tuple[FieldName, ...] = ("model", "response_model")
_LONGEST_VALUE = 256
_MOST_TOOL_NAMES = 32
_MOST_TOKENS = 10**12
"""Beyond this a number of tokens is no number of tokens, and its cost would fit in no column."""


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
    """Tokens; those read from a cache and those written to one are part of the input. None is unknown."""

    input: int | None
    cached: int | None
    output: int | None
    cache_write: int | None = None


class Timing(NamedTuple):
    """Seconds; None is unknown."""

    ttft: float | None
    itl: float | None
    no_gap: bool
    """The answer had at most one token: no time between two tokens could be too long."""


def operation_of(span: RawSpan) -> str | None:
    """What a span does, by the newest dialect that says so; None: no dialect does."""
    for attribute, meanings in reading().operations:
        value = span.attributes.get(attribute)
        if value is not None:
            return None if not isinstance(value, str) else meanings.get(value) if meanings else value
    return None


def is_generation(span: RawSpan, operations: Sequence[str]) -> bool:
    """Whether a span is a model call seen by its caller."""
    return span.kind in _CALLER_KINDS and operation_of(span) in operations


def dialect_of(span: RawSpan) -> str | None:
    """The newest dialect that a span carries."""
    return next((name for name, marks in reading().recognised_by if not marks.isdisjoint(span.attributes)), None)


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
    reasons = read.texts("finish_reason")
    answer = answer_of(span, finish_known=bool(reasons))
    reasons = reasons or [one[:_LONGEST_VALUE] for one in (answer.finish_reason,) if one]
    outcome = outcome_of(error, failed=span.failed or "error" in reasons)
    usage = _usage(read)
    timing = timing_of(span.duration, _ttft(span, read), usage.output)
    operation = (operation_of(span) or "")[:_LONGEST_VALUE]
    labels = {**dict(group), "operation": operation, "outcome": outcome, "retrieval": "true" if own else "false"}
    labels["finish_reason"] = reasons[0] if reasons else ""
    drawn = rules.sampler.draw(span.trace_id, {**further(span, rules.settings.stratum_labels), **labels})
    streamed = read.flag("streamed")
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
        dialect=dialect_of(span),
        provider=read.text("provider"),
        error_type=error,
        finish_reason=reasons[0] if reasons else None,
        streamed=True if streamed is None and timing.ttft is not None else streamed,
        input_tokens=usage.input,
        cached_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
        reasoning_tokens=read.count("reasoning_tokens"),
        ttft=timing.ttft,
        itl=timing.itl,
        cost_micros=cost_of(usage, dict(group).get("model", ""), rules.settings.prices),
        tool_calls=None if answer.tools is None else len(answer.tools),
        tool_names=None if answer.tools is None else _names_of(answer.tools),
        retrieval=[one.row() for one in documents] or None,
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
    if MODEL in rules.dimensions and MODEL not in found and (model := _model_of(span)):
        found[MODEL] = model
    return make(found)


def _model_of(span: RawSpan) -> str | None:
    """The model as the span's dialect names it, where no attribute of the settings does: asked for, else answering."""
    sources = (source for name in _MODEL_FIELDS for source in reading().fields[name])
    values = (value_of(span.attributes, source) for source in sources)
    return next((value[:_LONGEST_VALUE] for value in values if isinstance(value, str) and value), None)


def _names_of(tools: Sequence[str]) -> list[str]:
    """Each tool once, in the order of the calls."""
    return [name[:_LONGEST_VALUE] for name in dict.fromkeys(tools) if name][:_MOST_TOOL_NAMES]


def _ttft(span: RawSpan, read: Reader) -> float | None:
    """As an attribute tells it, else until the first event that says that a token came."""
    told = read.seconds("ttft")
    names = reading().first_token_events
    if told is not None or not span.events:
        return told
    first = min((event.at for event in span.events if event.name in names), default=None)
    return None if first is None or first < span.started_at else first - span.started_at


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
    written = min(usage.cache_write or 0, usage.input - cached)
    of_cached = price.input if price.cached is None else price.cached
    of_written = price.input if price.cache_write is None else price.cache_write
    fresh = usage.input - cached - written
    return round(fresh * price.input + cached * of_cached + written * of_written + usage.output * price.output)


def _usage(read: Reader) -> Usage:
    return Usage(
        read.count("input_tokens"),
        read.count("cached_tokens"),
        read.count("output_tokens"),
        read.count("cache_write_tokens"),
    )


def value_of(attributes: Mapping[str, Any], source: Source) -> Any:
    """What stands at a source; None where there is nothing."""
    value = attributes.get(source.attribute)
    if not source.key or value is None:
        return value
    found = structured(value)
    inner = found.get(source.key) if isinstance(found, dict) else None
    return clean(inner) if isinstance(inner, str) else inner


class Reader:
    """Typed fields of a span: of a field's sources the first that is there; None where none is."""

    def __init__(self, span: RawSpan) -> None:
        self._ids = span.trace_id, span.span_id
        self._attributes: Mapping[str, Any] = span.attributes

    def text(self, field: FieldName) -> str | None:
        """A text, at most 256 characters of it."""
        source, value = self._first(field)
        if value is not None and not isinstance(value, str):
            raise self._wrong(source, "a text")
        return None if value is None else value[:_LONGEST_VALUE]

    def texts(self, field: FieldName) -> list[str]:
        """A list of texts; one text is a list of one."""
        source, value = self._first(field)
        found = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in found):
            raise self._wrong(source, "a list of texts")
        return [one[:_LONGEST_VALUE] for one in found]

    def count(self, field: FieldName) -> int | None:
        """A whole number, not negative; a float that is whole will do."""
        source, value = self._first(field)
        if value is None:
            return None
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MOST_TOKENS:
            raise self._wrong(source, "a whole number")
        return number

    def seconds(self, field: FieldName) -> float | None:
        """A duration, finite and not negative."""
        source, value = self._first(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value < math.inf):
            raise self._wrong(source, "a number of seconds")
        return float(value)

    def flag(self, field: FieldName) -> bool | None:
        """True or false; among what a caller asked for (a key of JSON) anything else says nothing."""
        source, value = self._first(field)
        if source.key and not isinstance(value, bool):
            return None
        if value is not None and not isinstance(value, bool):
            raise self._wrong(source, "true or false")
        return value

    def _first(self, field: FieldName) -> tuple[Source, Any]:
        sources = reading().fields[field]
        for source in sources:
            value = value_of(self._attributes, source)
            if value is not None:
                return source, value
        return sources[0], None

    def _wrong(self, source: Source, wanted: str) -> ParseError:
        return ParseError(f"span {self._ids[1]} of trace {self._ids[0]}: {source.attribute} is not {wanted}")
