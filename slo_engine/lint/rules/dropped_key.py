"""A key that the file's own tool drops without a word: whoever wrote it believes in it."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import Place
from slo_engine.lint.model import Hit, Rule, Subject


def check(subject: Subject) -> Iterator[Hit | str]:
    """What readers of other tools' files noted."""
    for remark in subject.specs.remarks:
        if remark.kind == "ignored":
            message, _, hint = remark.message.partition("; ")
            yield Hit(Place(remark.file, remark.line), f"{remark.key}: {message}", hint or "remove it")


RULE = Rule("dropped-key", "warning", "a key that the file's own tool drops silently", check)
