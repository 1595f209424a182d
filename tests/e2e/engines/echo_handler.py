"""A model for TorchServe that gives back what it gets, and fails where it is asked to."""

from __future__ import annotations

from typing import Any


def handle(data: list[dict[str, Any]] | None, context: object) -> list[str] | None:
    """Answer a batch; TorchServe calls once without data when it loads the model."""
    if data is None:
        return None
    texts = [_text(item.get("data") or item.get("body") or b"") for item in data]
    if "fail" in texts:
        raise ValueError("asked to fail")
    return texts


def _text(body: object) -> str:
    return body.decode() if isinstance(body, bytes | bytearray) else str(body)
