"""OpenAI's chat completions as the replica speaks them: the request's check, the answer, and its stream of events."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from burnline.demo.engine import Finished
from burnline.demo.settings import MODEL_NAME

PATH = "/v1/chat/completions"
LAST_EVENT = b"data: [DONE]\n\n"


def prompt_of(fields: Mapping[str, Any]) -> str | None:
    """The texts of the messages, a line each; None where they are no messages."""
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    texts = [_text(one.get("content")) if isinstance(one, dict) else None for one in messages]
    return None if None in texts else "\n".join(text for text in texts if text is not None)


def _text(content: Any) -> str | None:
    if isinstance(content, str) or content is None:
        return content or ""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return None
    return " ".join(str(part["text"]) for part in content if part.get("type") == "text" and "text" in part)


def answer(id_: str, finished: Finished, text: str) -> dict[str, Any]:
    """The body of an answer that is sent at once."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finished.outcome.value}
    return {**_envelope(id_, "chat.completion"), "choices": [choice], "usage": usage(finished)}


def event(id_: str, words: Sequence[str]) -> bytes:
    """The next words of a streamed answer."""
    delta = {"role": "assistant", "content": "".join(f"{word} " for word in words)}
    return _event(id_, [{"index": 0, "delta": delta, "finish_reason": None}])


def last_events(id_: str, finished: Finished, *, with_usage: bool) -> bytes:
    """How a streamed answer ends: its reason, and what it used where the request asks for it."""
    end = _event(id_, [{"index": 0, "delta": {}, "finish_reason": finished.outcome.value}])
    return end + (_event(id_, [], usage=usage(finished)) if with_usage else b"") + LAST_EVENT


def failure(message: str) -> bytes:
    """An answer that fails after its first words."""
    return b"data: " + orjson.dumps({"error": {"message": message, "code": 500}}) + b"\n\n"


def usage(finished: Finished) -> dict[str, int]:
    """The tokens of a request, as OpenAI names them."""
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.generated_tokens,
        "total_tokens": finished.prompt_tokens + finished.generated_tokens,
    }


def _event(id_: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    body = {**_envelope(id_, "chat.completion.chunk"), "choices": choices, **more}
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _envelope(id_: str, kind: str) -> dict[str, Any]:
    return {"id": id_, "object": kind, "created": int(time.time()), "model": MODEL_NAME}
