"""The texts of a call: what was asked, answered and retrieved. They go to the cipher and nowhere else.

Content is structured or a JSON text, on the span or on its event; a part that is hidden or no text is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from collector.otlp.spans import RawSpan
from core.texts import Payload

DETAILS_EVENT = "gen_ai.client.inference.operation.details"
_HIDDEN = "__REDACTED__"
"""What OpenInference writes for hidden content: nothing that could be judged."""
_TEXT_PARTS = ("text", "reasoning")
_MOST_DOCUMENTS = 200
"""Of one retrieval: none feeds more to a model, and a row of the database has an end."""
_DOCUMENT_TEXTS = ("content", "text", "page_content")


class Document(NamedTuple):
    """A retrieved document; its text only where the span told it."""

    id: str
    score: float | None
    text: str | None


def payload_of(span: RawSpan, documents: Sequence[Document]) -> Payload | None:
    """The call's texts; None where it told none."""
    asked = list(_messages(_attribute(span, "gen_ai.input.messages")))
    answered = _messages(_attribute(span, "gen_ai.output.messages"))
    instructions = [*_texts(_attribute(span, "gen_ai.system_instructions")), *(t for r, t in asked if r == "system")]
    payload = Payload(
        prompt=_join(text for role, text in asked if role != "system"),
        output=_join(text for _, text in answered),
        context=tuple(one.text for one in documents if one.text is not None),
        system=_join(instructions),
    )
    return None if payload == Payload() else payload


def documents_of(span: RawSpan) -> tuple[Document, ...]:
    """The documents that a span names, in its order."""
    found = _attribute(span, "gen_ai.retrieval.documents")
    listed = found if isinstance(found, list) else []
    return tuple(_document(at, one) for at, one in enumerate(listed[:_MOST_DOCUMENTS]) if isinstance(one, dict))


def _document(at: int, one: Mapping[str, Any]) -> Document:
    id_, score = one.get("id"), one.get("score")
    text = next((one[name] for name in _DOCUMENT_TEXTS if isinstance(one.get(name), str)), None)
    return Document(
        str(id_)[:200] if isinstance(id_, str | int) else str(at),
        float(score) if isinstance(score, int | float) and abs(score) < 1e300 else None,
        None if text == _HIDDEN else text,
    )


def _attribute(span: RawSpan, name: str) -> Any:
    places = (span.attributes, *(event.attributes for event in span.events if event.name == DETAILS_EVENT))
    value = next((place[name] for place in places if place.get(name) is not None), None)
    return _structured(value) if isinstance(value, str) else value


def _structured(text: str) -> Any:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return found if isinstance(found, list | dict) else text


def _messages(value: Any) -> Iterator[tuple[str, str]]:
    """(role, text) of each message; a text that is no list of messages is one message."""
    for message in value if isinstance(value, list) else [value]:
        if isinstance(message, dict):
            role = message.get("role")
            for text in _texts(message.get("parts", message.get("content"))):
                yield (role if isinstance(role, str) else ""), text
        else:
            yield from (("", text) for text in _texts(message))


def _texts(value: Any) -> Iterator[str]:
    """The texts of parts: a list of parts, one part, or a plain text."""
    for part in value if isinstance(value, list) else [value]:
        text = _part_text(part)
        if text and text != _HIDDEN:
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


def _join(texts: Iterable[str]) -> str | None:
    return "\n\n".join(texts) or None
