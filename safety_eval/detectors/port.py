"""What the evaluator asks of a detector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from core.texts import HIDDEN
from storage.scores import CLEAR, FAILED, FLAGGED, NOT_APPLICABLE

DIGITS = 4
"""Of a score: sums over a batch of another shape differ from the sixth digit on (measured on CPU, float32)."""


class Item(NamedTuple):
    """One generation to judge; what the span did not carry is None or empty."""

    prompt: str | None
    output: str | None
    context: tuple[str, ...] = ()


class Span(NamedTuple):
    """A place in the judged text, in characters, the end excluded."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class Verdict:
    """What a detector says: `label` is one of storage.scores; `score` 0 (harmless) to 1, None without a judgement.

    `parts`: figures beside the score that help a reader, by name.
    """

    label: str
    score: float | None = None
    spans: tuple[Span, ...] = ()
    reason: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


class Detector(Protocol):
    """Judges items one by one: a verdict does not depend on the others of its batch."""

    @property
    def name(self) -> str:
        """As in the measure `judged` and in `score.detector`."""
        ...

    @property
    def revision(self) -> str:
        """Changes with everything that may change a score."""
        ...

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        """One verdict an item, in order. May raise what a model raises for a text that it cannot take."""
        ...


def by_threshold(
    score: float, threshold: float, spans: Sequence[Span] = (), parts: Mapping[str, float] | None = None
) -> Verdict:
    """Flagged from the threshold on; a score that is no number is no judgement."""
    if not math.isfinite(score):
        return failed("the score is not a number")
    rounded = round(score, DIGITS)
    return Verdict(FLAGGED if rounded >= threshold else CLEAR, rounded, tuple(spans), None, parts or {})


def failed(reason: str) -> Verdict:
    """No judgement, and why."""
    return Verdict(FAILED, reason=reason)


def not_applicable(reason: str) -> Verdict:
    """Nothing there that could be judged."""
    return Verdict(NOT_APPLICABLE, reason=reason)


def absence(text: str | None, what: str) -> str | None:
    """Why a text cannot be judged, or None when it can."""
    if text is None or not text.strip():
        return f"no {what}"
    return f"{what} is hidden" if not text.replace(HIDDEN, "").strip() else None
