"""What stays of a text that was scored: nothing, a keyed hash, or the text without what detectors find in it.

It is decided where the verdict is written, since the text is deleted there. A text that cannot be redacted is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from core.texts import HIDDEN
from safety_eval import engine
from safety_eval.detectors.port import Detector, Item, Span
from safety_eval.settings import KeepPolicy
from storage.scores import FAILED

PURPOSE = "hash of kept texts"
REDACTING = ("pii", "secrets")
"""Detectors whose findings are taken out. Both are needed: without one, something would stay that must not."""
EXPIRED, UNREAD, DROPPED, UNREDACTABLE = "expired", "unread", "dropped", "unredactable"
_DIGEST_BYTES = 32
_WHOLE_BLOCK = "PRIVATE_KEY"
"""A finding that marks the beginning of a block: what follows up to the block's end is as secret."""
_BLOCK_END = "-----END"


class Fate(NamedTuple):
    """What became of a text: the policy that kept `prompt` and `output`, or why nothing stayed."""

    name: str
    prompt: str | None = None
    output: str | None = None

    @property
    def kept(self) -> bool:
        """Whether something stays."""
        return self.prompt is not None or self.output is not None


class Keeper:
    """Applies a policy; `key` is for hashes, `detectors` are those that the worker has."""

    def __init__(self, policy: KeepPolicy, key: bytes, detectors: Sequence[Detector]) -> None:
        self._policy = policy
        self._key = key
        self._redacting = [one for one in detectors if one.name in REDACTING]

    def fates(self, items: Sequence[Item]) -> list[Fate]:
        """What stays of items, in their order."""
        if self._policy == "hash":
            return [_fate("hash", self._hash(item.prompt), self._hash(item.output)) for item in items]
        if self._policy == "redacted":
            return [self._redact(item) for item in items]
        return [Fate(DROPPED)] * len(items)

    def _hash(self, text: str | None) -> str | None:
        if not _tells(text):
            return None
        return blake2b((text or "").encode(), key=self._key, digest_size=_DIGEST_BYTES).hexdigest()

    def _redact(self, item: Item) -> Fate:
        texts = [text if _tells(text) else None for text in (item.prompt, item.output)]
        found = [None if text is None else self._redacted(text) for text in texts]
        if any(text is not None and redacted is None for text, redacted in zip(texts, found, strict=True)):
            return Fate(UNREDACTABLE)
        return _fate("redacted", *found)

    def _redacted(self, text: str) -> str | None:
        """A text without its findings; None where a detector cannot say what they are."""
        if {one.name for one in self._redacting} != set(REDACTING):
            return None
        verdicts = [engine.of_one(one, [Item(None, text)])[0] for one in self._redacting]
        if any(one.label == FAILED for one in verdicts):
            return None
        return replaced(text, [span for one in verdicts for span in one.spans])


def replaced(text: str, spans: Sequence[Span]) -> str:
    """A text with the types of findings in their places; findings that overlap are one."""
    parts, at = [], 0
    for span in sorted(spans):
        end = _block_end(text, span) if span.type == _WHOLE_BLOCK else span.end
        if span.start >= at:
            parts += [text[at : span.start], f"<{span.type}>"]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def _block_end(text: str, span: Span) -> int:
    mark = text.find(_BLOCK_END, span.start)
    line = text.find("\n", mark)
    return len(text) if mark < 0 or line < 0 else line


def _fate(policy: str, prompt: str | None, output: str | None) -> Fate:
    found = Fate(policy, prompt, output)
    return found if found.kept else Fate(DROPPED)


def _tells(text: str | None) -> bool:
    return bool(text and text.strip()) and HIDDEN not in (text or "")
