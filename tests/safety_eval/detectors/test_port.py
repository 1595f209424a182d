from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_eval.detectors.port import HIDDEN, absence, by_threshold
from storage.scores import CLEAR, FAILED, FLAGGED


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_label_agrees_with_the_score_that_is_kept(score: float, threshold: float) -> None:
    verdict = by_threshold(score, threshold)
    assert verdict.score is not None
    assert verdict.label == (FLAGGED if verdict.score >= threshold else CLEAR)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_has_failed(score: float) -> None:
    verdict = by_threshold(score, 0.5)
    assert (verdict.label, verdict.score) == (FAILED, None)
    assert verdict.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no answer"),
        (" \n", "no answer"),
        (HIDDEN, "answer is hidden"),
        (f"{HIDDEN}\n{HIDDEN} ", "answer is hidden"),
        (f"{HIDDEN} said no", None),
        ("x", None),
    ],
)
def test_what_is_not_there_is_not_judged(text: str | None, reason: str | None) -> None:
    assert absence(text, "answer") == reason
