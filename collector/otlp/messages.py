"""Messages as they lie on a span, in whatever layout its dialect has: structured, JSON, plain text or flattened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from collector.otlp import flattened
from collector.otlp.dialects import Documents, Messages
from collector.otlp.spans import RawSpan, clean

_TEXT_PARTS = ("text", "reasoning")
_TOOL_PARTS = ("tool_call", "server_tool_call")


class Message(NamedTuple):
    """One message. `tools`: names of the tools that it calls, "" for one without a name; None: they cannot be known."""

    role: str
    texts: tuple[str, ...]
    tools: tuple[str, ...] | None = None
    finish_reason: str | None = None


def messages_at(span: RawSpan, place: Messages) -> list[Message]:
    """The messages that a span has in a place."""
    if place.prefix:
        return [_flattened(place, entry) for entry in flattened.entries(span.attributes, place.prefix)]
    if place.plain_by and span.attributes.get(place.plain_by, "text/plain") != "text/plain":
        return []
    value = value_at(span, place)
    if place.plain_by:
        return [Message("", (value,))] if isinstance(value, str) and value else []
    return [] if value is None else list(_messages(structured(value)))


def value_at(span: RawSpan, place: Messages | Documents) -> Any:
    """What a place's attribute holds, on the span or on one of its events; None where it is nowhere."""
    found = span.attributes.get(place.attribute)
    if found is not None or not place.events:
        return found
    held = (event.attributes.get(place.attribute) for event in span.events if event.name in place.events)
    return next((value for value in held if value is not None), None)


def structured(value: Any) -> Any:
    """A list or an object that came as JSON; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    return found if isinstance(found, list | dict) else value


def _flattened(place: Messages, entry: flattened.Entry) -> Message:
    roles = [role for role in flattened.at(entry, [place.role]) if isinstance(role, str)]
    texts = [text for value in flattened.at(entry, place.text) for text in _texts(_parts(value))]
    tools = tuple(_name(name) for name in flattened.at(entry, place.tool))
    return Message(roles[0] if roles else "", tuple(texts), tools if place.tool else None)


def _parts(value: Any) -> Any:
    """A text that is a JSON list of typed parts becomes that list; any other text is what a person wrote."""
    found = structured(value) if isinstance(value, str) and value.startswith("[{") else value
    typed = isinstance(found, list) and all(isinstance(one, dict) and "type" in one for one in found)
    return found if typed else value


def _messages(value: Any) -> Iterator[Message]:
    """A text that is no list of messages is one message."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield _structured_message(one)
        elif texts := tuple(_texts(one)):
            yield Message("", texts)


def _structured_message(one: dict[str, Any]) -> Message:
    role, reason = one.get("role"), one.get("finish_reason")
    parts = one.get("parts", one.get("content"))
    if parts is None and "type" in one:
        parts = [one]  # instructions are a list of parts without messages around them
    return Message(
        role if isinstance(role, str) else "",
        tuple(_texts(parts)),
        (*_tools_of_parts(parts), *_tools_of_list(one.get("tool_calls"))),
        clean(reason) if isinstance(reason, str) and reason else None,
    )


def _tools_of_parts(parts: Any) -> Iterator[str]:
    for part in parts if isinstance(parts, list) else [parts]:
        if isinstance(part, dict) and part.get("type") in _TOOL_PARTS:
            yield _name(part.get("name"))


def _tools_of_list(calls: Any) -> Iterator[str]:
    """Calls as OpenAI's API has them: beside the content."""
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        yield _name(function.get("name") if isinstance(function, dict) else None)


def _name(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _texts(value: Any) -> Iterator[str]:
    """The texts of parts: a list of parts, one part, or a plain text."""
    for part in value if isinstance(value, list) else [value]:
        text = _part_text(part)
        if text:
            yield text


def _part_text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return None
    if part.get("type", "text") in _TEXT_PARTS:
        text = part.get("content", part.get("text"))
    elif part.get("type") == "tool_call_response":
        text = part.get("response", part.get("result"))
    else:
        return None
    return text if isinstance(text, str) else None


def first_told(span: RawSpan, places: Sequence[Messages]) -> list[Message]:
    """The messages of the first place that tells a text or a tool call."""
    for place in places:
        found = messages_at(span, place)
        if any(one.texts or one.tools for one in found):
            return found
    return []
