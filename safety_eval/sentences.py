"""Sentences and words of a text, by rules that need no model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_END = re.compile(r"(?<=[.!?])([\"')\]]*)\s+(?=[\"'(\[]*[A-Z0-9])|\n+")
_WORD = re.compile(r"[a-z0-9]+")
_ABBREVIATED = ("mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "e.g.", "i.e.", "u.s.")
_LONGEST_ABBREVIATION = max(map(len, _ABBREVIATED))
_LONGEST = 800
"""Characters: about 200 tokens of English, so that the encoder, which cuts at 256, sees the whole of it."""

STOP_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does", "for"),
        *(
            "from",
            "had",
            "has",
            "have",
            "he",
            "her",
            "his",
            "i",
            "if",
            "in",
            "is",
            "it",
            "its",
            "my",
            "not",
            "of",
            "on",
        ),
        *("or", "our", "she", "so", "that", "the", "their", "them", "they", "this", "to", "was", "we", "were", "what"),
        *("which", "who", "will", "with", "would", "you", "your"),
    )
)


class Sentence(NamedTuple):
    """A sentence and where it stands, in characters, the end excluded."""

    text: str
    start: int
    end: int


def split(text: str) -> list[Sentence]:
    """The sentences of a text, without those that hold no letter or digit; very long ones in pieces."""
    return [piece for start, end in _bounds(text) for piece in _pieces(text, start, end) if _has_words(piece.text)]


def words(text: str) -> set[str]:
    """Words in lower case without the most common ones."""
    return set(_WORD.findall(text.lower())) - STOP_WORDS


def novel_share(sentence: str, known: Iterable[str]) -> float:
    """Share of a sentence's words that are not known; 0 for a sentence of common words only."""
    own = words(sentence)
    return len(own.difference(known)) / len(own) if own else 0.0


def _bounds(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(text):
        before = text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()].lower()
        if before.endswith(_ABBREVIATED) and "\n" not in match.group():
            continue
        yield start, match.start() + len(match[1] or "")
        start = match.end()
    yield start, len(text)


def _pieces(text: str, start: int, end: int) -> Iterator[Sentence]:
    while end - start > _LONGEST:
        blank = text.rfind(" ", start + _LONGEST // 2, start + _LONGEST)
        cut = blank if blank > 0 else start + _LONGEST
        yield Sentence(text[start:cut], start, cut)
        start = cut
    stripped = text[start:end].strip()
    if stripped:
        begin = text.index(stripped, start)
        yield Sentence(stripped, begin, begin + len(stripped))


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)
