"""Which attributes of a span are kept for the waterfall: a list of what is known to carry no content.

A list of what to leave out would let the content of every dialect through that it does not know.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from collector.otlp.dialects import reading
from collector.otlp.spans import RawSpan
from storage.generations import Span

LONGEST = 1024
_LONGEST_NAME = 256
_LONGEST_LIST = 64
_PREFIXES = (
    "gen_ai.request.",
    "gen_ai.response.",
    "gen_ai.usage.",
    "gen_ai.token.",
    "gen_ai.operation.",
    "gen_ai.provider.",
    "gen_ai.embeddings.",
    "gen_ai.latency.",
    "deployment.",
    "network.",
    "rpc.",
    "server.",
    "token.",
)
_NAMES = frozenset(
    {
        "db.collection.name",
        "db.operation.name",
        "db.system",
        "db.system.name",
        "error.type",
        "exception.type",
        "gen_ai.agent.id",
        "gen_ai.agent.name",
        "gen_ai.agent.version",
        "gen_ai.conversation.id",
        "gen_ai.data_source.id",
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.score.value",
        "gen_ai.output.type",
        "gen_ai.system",
        "gen_ai.tool.call.id",
        "gen_ai.tool.name",
        "gen_ai.tool.type",
        "gen_ai.workflow.name",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "tenant.id",
        "url.scheme",
    }
)
_WRITTEN_BY_PEOPLE = frozenset({"gen_ai.request.stop_sequences"})


def kept_attributes(attributes: Mapping[str, Any], further: Collection[str] = ()) -> dict[str, Any]:
    """Scalars and lists of scalars under known names; long texts are cut."""
    found = {name: _short(value) for name, value in attributes.items() if _is_known(name) or name in further}
    return {name: value for name, value in found.items() if value is not None}


def kept_span(span: RawSpan, further: Collection[str] = ()) -> Span:
    """The span as it is stored: without content, and of a failure only its type."""
    service = span.resource.get("service.name")
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        service=service[:_LONGEST_NAME] if isinstance(service, str) and service else "unknown_service",
        name=span.name[:_LONGEST_NAME],
        kind=span.kind,
        started_at=span.started_at,
        ended_at=span.ended_at,
        error=error_type(span),
        attributes=kept_attributes(span.attributes, further),
        events=[
            {"name": e.name[:_LONGEST_NAME], "at": e.at, "attributes": kept_attributes(e.attributes, further)}
            for e in span.events
        ],
    )


def error_type(span: RawSpan) -> str | None:
    """Why a span failed, in a word; a message could quote a prompt. None: it did not fail."""
    named = span.attributes.get("error.type")
    thrown = next((e.attributes.get("exception.type") for e in span.events if e.name == "exception"), None)
    if isinstance(named, str) and named:
        return named[:_LONGEST_NAME]
    if not span.failed:
        return None
    return thrown[:_LONGEST_NAME] if isinstance(thrown, str) and thrown else "error"


def _is_known(name: str) -> bool:
    return name in _NAMES or name in reading().kept or (name.startswith(_PREFIXES) and name not in _WRITTEN_BY_PEOPLE)


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [one for one in map(_scalar, value[:_LONGEST_LIST]) if one is not None]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return value if isinstance(value, bool | int | float) else None
