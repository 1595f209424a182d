"""Comparisons and shares of arrays against fractions, up to counts that 64 bits cannot multiply."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from core.durations import DAY
from slo_engine import sheet
from slo_engine.burn import Revision
from slo_engine.compile import COLUMNS, PART, TOTAL
from slo_engine.sheet import Spending
from slo_engine.windows import policy_for
from tests.slo_engine.test_book import FORMULA

LARGE = 2**62 - 1
numbers = st.integers(0, 1000) | st.integers(0, LARGE)
budgets = st.fractions(Fraction(1, 10**6), Fraction(1, 2), max_denominator=10**6)
factors = st.fractions(Fraction(1, 100), Fraction(100), max_denominator=1000)


def spending(bad: int, total: int, budget: Fraction) -> Spending:
    counts = np.zeros((1, COLUMNS), np.int64)
    counts[0, PART], counts[0, TOTAL] = bad, total
    policy, revisions = policy_for(Fraction(99, 100), 30 * DAY), [Revision(-1e12, budget)]
    return sheet.read(FORMULA, lambda start, end: counts, 0, policy, revisions).period


@given(numbers, numbers, budgets, factors)
@example(144, 1000, Fraction(1, 100), Fraction(72, 5))
@example(145, 1000, Fraction(1, 100), Fraction(72, 5))
@example(LARGE, LARGE, Fraction(999_999, 2 * 10**6), Fraction(2 * 10**6, 999_999))
def test_above_is_decided_without_rounding(bad: int, total: int, budget: Fraction, factor: Fraction) -> None:
    expected = total > 0 and bad > factor * budget * total
    assert spending(bad, total, budget).above(factor).tolist() == [expected]


@given(numbers, numbers, budgets)
def test_a_rate_and_what_remains_are_rounded_once(bad: int, total: int, budget: Fraction) -> None:
    found, allowed = spending(bad, total, budget), budget * total
    expected = (float(bad / allowed), float(1 - bad / allowed)) if total else (None, None)
    said = [None if np.isnan(one) else one for one in (found.rates[0], found.remaining[0])]
    assert tuple(said) == expected
