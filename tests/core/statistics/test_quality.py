"""The rate of a stratified sample and its time-uniform interval."""

from __future__ import annotations

import random
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statistics.quality import ALPHA, Estimate, Stratum, estimate, interval, log_e


@st.composite
def strata(draw: st.DrawFn, least: int = 0) -> Stratum:
    judged = draw(st.integers(least, 5000))
    flagged = draw(st.integers(0, judged))
    drawn = judged + draw(st.integers(0, 100))
    return Stratum(draw(st.floats(0.01, 1e9)), flagged, judged, drawn)


@given(st.lists(strata(), min_size=1, max_size=5))
def test_the_interval_holds_the_rate_and_lies_between_0_and_1(sample: list[Stratum]) -> None:
    found = estimate(sample)
    if found.rate is None:
        assert all(one.judged == 0 for one in sample)
        assert (found.low, found.high) == (None, None)
        assert found.reason
        return
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.low < found.high


def test_all_flagged_is_never_more_than_all() -> None:
    """This weight times 1,303, divided by 1,303 and by itself again is over 1 in floats."""
    assert estimate([Stratum(421915437.5192018, 1303, 1303, 1303)]).rate == 1.0


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(2, 10))
def test_more_verdicts_of_the_same_rate_narrow_the_interval(flagged: int, clear: int, times: int) -> None:
    few = interval(flagged, flagged + clear)
    many = interval(flagged * times, (flagged + clear) * times)
    assert many.high - many.low <= few.high - few.low + 1e-12


@given(st.integers(1, 3000), st.data())
def test_the_edges_are_where_the_evidence_reaches_one_over_alpha(judged: int, data: st.DataObject) -> None:
    flagged = data.draw(st.integers(0, judged))
    low, high = interval(flagged, judged)
    for edge in (low, high):
        if 0 < edge < 1:
            assert log_e(edge, flagged, judged) == pytest.approx(-log(ALPHA), abs=1e-6)
    assert (low == 0) == (flagged == 0)
    assert (high == 1) == (flagged == judged)


@given(st.integers(0, 400), st.integers(0, 400))
def test_what_is_flagged_and_what_is_clear_mirror_each_other(flagged: int, clear: int) -> None:
    one, other = interval(flagged, flagged + clear), interval(clear, flagged + clear)
    assert one.low == pytest.approx(1 - other.high, abs=1e-9)
    assert one.high == pytest.approx(1 - other.low, abs=1e-9)


def test_known_intervals() -> None:
    """E(θ) by hand: for 1 of 1 it is B(3/2, 1/2) / B(1/2, 1/2) / θ = 1 / (2 θ), which is 20 at 1/40."""
    assert interval(1, 1) == pytest.approx((1 / 40, 1.0))
    assert interval(0, 1) == pytest.approx((0.0, 39 / 40))
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("rate", [0.001, 0.05, 0.5])
def test_over_a_thousand_looks_it_misses_the_truth_in_at_most_alpha_of_the_runs(rate: float) -> None:
    """The sequence is looked at after each of 1,000 verdicts. With 300 runs, 5 % ± 4 standard errors is 10 %."""
    rng, runs, limit = random.Random(7), 300, -log(ALPHA)
    missed = 0
    for _ in range(runs):
        flagged = 0
        for judged in range(1, 1001):
            flagged += rng.random() < rate
            if log_e(rate, flagged, judged) >= limit:
                missed += 1
                break
    assert missed <= runs * (ALPHA + 4 * (ALPHA * (1 - ALPHA) / runs) ** 0.5)


def test_a_stratum_counts_by_its_population_not_by_how_often_it_was_drawn() -> None:
    rare = Stratum(weight=900, flagged=1, judged=10, drawn=10)
    often = Stratum(weight=100, flagged=90, judged=100, drawn=100)
    found = estimate([rare, often])
    assert found.rate == pytest.approx(0.9 * 0.1 + 0.1 * 0.9)
    assert (found.judged, found.drawn, found.coverage) == (110, 110, 1.0)


def test_several_strata_share_the_error_and_their_bounds_add_up_by_weight() -> None:
    found = estimate([Stratum(3, 5, 50, 50), Stratum(1, 0, 20, 20)])
    first, second = interval(5, 50, ALPHA / 2), interval(0, 20, ALPHA / 2)
    assert found.low == pytest.approx(0.75 * first.low + 0.25 * second.low)
    assert found.high == pytest.approx(0.75 * first.high + 0.25 * second.high)


def test_a_stratum_that_nobody_judged_may_be_anything() -> None:
    found = estimate([Stratum(900, 0, 1000, 1000), Stratum(100, 0, 0, 40)])
    assert found.rate == 0
    assert found.high is not None
    assert found.high > 0.1
    assert found.reason == "10.0% of the generations are in strata of which nothing was judged"
    assert found.coverage == pytest.approx(1000 / 1040)


def test_an_estimate_never_claims_to_be_corrected() -> None:
    assert estimate([Stratum(1, 1, 2, 2)]).corrected is False


def test_nothing_judged_and_nothing_drawn_are_told_apart() -> None:
    assert estimate([]) == Estimate(None, None, None, 0, 0, None, reason="nothing was drawn")
    assert estimate([Stratum(50, 0, 0, 7)]) == Estimate(
        None, None, None, 0, 7, 0.0, reason="nothing was judged of 7 drawn"
    )


@pytest.mark.parametrize("bad", [(1.0, 3, 2, 2), (1.0, -1, 2, 2), (-1.0, 0, 2, 2), (1.0, 0, 2, -1)])
def test_counts_that_cannot_be_are_refused(bad: tuple[float, int, int, int]) -> None:
    with pytest.raises(ValueError, match="no counts of a stratum"):
        Stratum(*bad)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0])
def test_an_alpha_that_is_no_probability_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be between 0 and 1"):
        interval(1, 2, alpha)
