"""The texts of a call: what was asked, answered and retrieved. They go to the cipher and nowhere else.

What the application hides in part is hidden as a whole: judging the rest would say something of another text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from collector.otlp.dialects import reading
from collector.otlp.documents import Document
from collector.otlp.messages import Message, first_told, messages_at, value_at
from collector.otlp.spans import RawSpan
from core.texts import HIDDEN, Payload

_INSTRUCTING = ("system", "developer")


class Answer(NamedTuple):
    """What an answer's messages tell without their text; None is unknown. `tools`: names of the tools that it calls."""

    tools: tuple[str, ...] | None
    finish_reason: str | None


def payload_of(span: RawSpan, documents: Sequence[Document]) -> Payload | None:
    """The call's texts; None where it told none. A text that is hidden is HIDDEN."""
    read = reading()
    asked, answered, told = (first_told(span, places) for places in (read.prompt, read.output, read.system))
    instructions = [*told, *(one for one in asked if one.role in _INSTRUCTING)]
    context = tuple(one.text for one in documents if one.text is not None)
    payload = Payload(
        prompt=_join(text for one in asked if one.role not in _INSTRUCTING for text in one.texts),
        output=_join(text for one in answered for text in one.texts),
        context=(HIDDEN,) if HIDDEN in context else context,
        system=_join(text for one in instructions for text in one.texts),
    )
    return None if payload == Payload() else payload


def answer_of(span: RawSpan, *, finish_known: bool) -> Answer:
    """The tools that an answer calls, and why it ended where only its messages say so."""
    if finish_known and _calls_no_tool(span):
        return Answer((), None)
    for place in reading().output if tells_text(span) else ():
        found = [one for one in messages_at(span, place) if one.texts or one.tools or one.finish_reason]
        if found:
            return _answer(found)
    return Answer(None, None)


def _calls_no_tool(span: RawSpan) -> bool:
    """Whether that can be seen of an answer that came as JSON: most answers are not worth parsing."""
    value = value_at(span, reading().output[0])
    return isinstance(value, str) and value.startswith("[{") and "tool_call" not in value


def _answer(found: Sequence[Message]) -> Answer:
    known = all(one.tools is not None for one in found)
    tools = tuple(name for one in found for name in one.tools or ())
    reason = next((one.finish_reason for one in found if one.finish_reason), None)
    return Answer(tools if known else None, reason)


def tells_text(span: RawSpan) -> bool:
    """Whether a span or one of its events carries a prompt or an answer, be it hidden."""
    return any(_tells(attributes) for attributes in (span.attributes, *(event.attributes for event in span.events)))


def _tells(attributes: Mapping[str, Any]) -> bool:
    read = reading()
    return not read.content.isdisjoint(attributes) or any(name.startswith(read.content_below) for name in attributes)


def _join(texts: Iterable[str]) -> str | None:
    found = list(texts)
    return HIDDEN if HIDDEN in found else "\n\n".join(found) or None
