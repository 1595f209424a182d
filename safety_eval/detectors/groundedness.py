"""Does the context carry the answer? Sentence by sentence, by meaning (MiniLM) and by words."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

from safety_eval import revision, sentences
from safety_eval.detectors.port import Item, Span, Verdict, absence, by_threshold, not_applicable
from safety_eval.models import device
from safety_eval.models.sentences import PACKAGES, SentenceEncoder, Vectors
from safety_eval.sentences import Sentence
from safety_eval.settings import GroundednessSettings

_PREPARATION = 1
"""Raise it when sentences are cut or scores are combined in another way: scores of before are another series."""


class Distance(NamedTuple):
    """How far a sentence is from the context, each 0 to 1: by meaning, and by words that the context lacks."""

    meaning: float
    novel: float

    @property
    def score(self) -> float:
        """Both count alike: each is the better one on some of the labelled sets, their mean is never the worst."""
        return (self.meaning + self.novel) / 2


class _Case(NamedTuple):
    answer: list[Sentence]
    context: list[str]


class Groundedness:
    """Judges answers against the context that was retrieved for them."""

    name = "groundedness"

    def __init__(self, settings: GroundednessSettings, on: str) -> None:
        """Load the encoder; raises what the encoder raises."""
        self._threshold = settings.threshold
        self._encoder = SentenceEncoder(on)
        parts = {
            "threshold": settings.threshold,
            "files": [revision.of_file(file) for file in self._encoder.files],
            "preparation": _PREPARATION,
            "arithmetic": device.ARITHMETIC[on],
        }
        self.revision = revision.digest(PACKAGES, parts)

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        """The mean over an answer's sentences; `spans` are those that reach the threshold by themselves."""
        reasons = [unjudgeable(item) for item in items]
        cases = [None if reason else _case(item) for item, reason in zip(items, reasons, strict=True)]
        texts = [text for case in cases if case for text in (*(s.text for s in case.answer), *case.context)]
        vectors = dict(zip(texts, self._encoder.encode(texts), strict=True))
        return [
            not_applicable(reason or "no sentence") if case is None else self._verdict(case, vectors)
            for case, reason in zip(cases, reasons, strict=True)
        ]

    def _verdict(self, case: _Case, vectors: dict[str, Vectors]) -> Verdict:
        context = np.stack([vectors[text] for text in case.context])
        cosines = (np.stack([vectors[one.text] for one in case.answer]) @ context.T).max(axis=1)
        known = set().union(*(sentences.words(text) for text in case.context))
        found = [
            Distance(min(1.0, max(0.0, 1 - float(cosine))), sentences.novel_share(one.text, known))
            if np.isfinite(cosine)
            else Distance(float("nan"), 0.0)
            for one, cosine in zip(case.answer, cosines, strict=True)
        ]
        far = [
            Span(sentence.start, sentence.end, "unsupported")
            for sentence, distance in zip(case.answer, found, strict=True)
            if distance.score >= self._threshold
        ]
        parts = {"meaning": fmean(d.meaning for d in found), "novel": fmean(d.novel for d in found)}
        return by_threshold(fmean(d.score for d in found), self._threshold, far, parts)


def unjudgeable(item: Item) -> str | None:
    """Why an item cannot be judged, or None when it can."""
    return absence(item.output, "answer") or absence("\n".join(item.context), "context")


def _case(item: Item) -> _Case | None:
    answer = sentences.split(item.output or "")
    context = [sentence.text for text in item.context for sentence in sentences.split(text)]
    return _Case(answer, list(dict.fromkeys(context))) if answer and context else None
