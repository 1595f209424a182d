"""The label test: nothing is said without events, the null hypothesis is kept at every look, and worse is found."""

from __future__ import annotations

from itertools import product
from math import exp, inf, isfinite, log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from core.statistics.label_test import (
    STEP,
    Buckets,
    Evidence,
    bounded_exp,
    delta,
    delta_interval,
    gather,
    log_e,
    mean_log_e,
    nothing,
    ratio,
    ratio_interval,
    together,
)

ALPHA = 0.05


@st.composite
def a_row(draw: st.DrawFn) -> tuple[int, int, int, int]:
    total_c, total_b = draw(st.integers(0, 2000)), draw(st.integers(0, 2000))
    return draw(st.integers(0, total_c)), draw(st.integers(0, total_b)), total_c, total_b


some_rows = st.lists(a_row(), max_size=8)


def of(*rows: tuple[int, int, int, int]) -> Evidence:
    return gather(Buckets.of(rows))


def same(left: Evidence, right: Evidence) -> bool:
    scale = 1 + left.bad_canary + left.bad_baseline
    return bool(
        np.allclose(left.likelihood, right.likelihood, rtol=1e-9, atol=1e-9 * scale)
        and np.allclose(left.worse, right.worse, rtol=1e-9, atol=1e-9)
        and np.allclose(left.better, right.better, rtol=1e-9, atol=1e-9)
        and np.isclose(left.excess, right.excess, atol=1e-6)
        and np.isclose(left.weight, right.weight)
    )


def test_without_data_the_e_value_is_1_and_nothing_is_known() -> None:
    assert log_e(nothing()) == 0.0
    assert (ratio(nothing()), ratio_interval(nothing(), ALPHA)) == (None, (0.0, None))
    assert (delta(nothing()), delta_interval(nothing(), ALPHA)) == (None, None)


@given(some_rows)
def test_where_only_one_arm_serves_labels_tell_nothing(rows: list[tuple[int, int, int, int]]) -> None:
    one_arm = [(bad, 0, total, 0) for bad, _, total, _ in rows] + [(0, bad, 0, total) for _, bad, _, total in rows]
    evidence = of(*one_arm)
    assert log_e(evidence) == 0.0
    assert delta(evidence) is None


def test_more_bad_events_than_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="bad events"):
        of((3, 0, 2, 5))


# The null hypothesis.


def expected_e(total_c: int, total_b: int, rate_c: float, rate_b: float, margin: float) -> float:
    """Exactly, over every outcome of one bucket."""
    outcomes = list(product(range(total_c + 1), range(total_b + 1)))
    chances = [binom.pmf(c, total_c, rate_c) * binom.pmf(b, total_b, rate_b) for c, b in outcomes]
    values = [exp(log_e(gather(Buckets.of([(c, b, total_c, total_b)]), margin))) for c, b in outcomes]
    return float(np.dot(chances, values))


@pytest.mark.parametrize("margin", [1.0, 1.5])
@pytest.mark.parametrize(("total_c", "total_b"), [(3, 3), (2, 7), (6, 1)])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.6])
def test_a_step_expects_at_most_1_while_the_canary_is_no_worse_than_the_margin(
    margin: float, total_c: int, total_b: int, rate: float
) -> None:
    assert expected_e(total_c, total_b, rate * margin, rate, margin) <= 1 + 1e-12
    assert expected_e(total_c, total_b, rate * margin / 2, rate, margin) <= 1 + 1e-12


def test_a_worse_canary_makes_the_e_value_grow() -> None:
    assert expected_e(6, 6, 0.6, 0.1, 1.0) > 1.1


@pytest.mark.parametrize(("total_c", "total_b"), [(1, 1), (1, 9), (5, 2)])
@pytest.mark.parametrize("margin", [1.0, 2.0])
@pytest.mark.parametrize("bad", [1, 2, 5])
def test_given_how_many_are_bad_the_labels_at_the_margin_expect_exactly_1(
    total_c: int, total_b: int, margin: float, bad: int
) -> None:
    """Labels drawn with theta(margin), as in a fleet where failures are rare: a martingale, not only a bound."""
    theta = margin * total_c / (margin * total_c + total_b)
    many = 1000  # room for `bad` bad events without changing the shares
    value = sum(
        binom.pmf(s, bad, theta)
        * exp(log_e(gather(Buckets.of([(s, bad - s, total_c * many, total_b * many)]), margin)))
        for s in range(bad + 1)
    )
    assert value == pytest.approx(1.0, abs=1e-9)


def wealth_at(evidence: Evidence, difference: float) -> float:
    """The mean worth of the bets on the canary being worse than `difference`, by its definition."""
    bets = 0.9 * 0.5 ** np.arange(-4, 13)
    return float(np.exp(evidence.worse - bets * evidence.weight * difference).mean())


@pytest.mark.parametrize(("rate_c", "rate_b"), [(0.1, 0.1), (0.5, 0.2), (0.05, 0.6), (1.0, 0.0)])
def test_the_bets_expect_at_most_1_at_the_true_difference(rate_c: float, rate_b: float) -> None:
    value = 0.0
    for c, b in product(range(5), range(8)):
        chance = binom.pmf(c, 4, rate_c) * binom.pmf(b, 7, rate_b)
        value += chance * wealth_at(of((c, b, 4, 7)), rate_c - rate_b)
    assert value <= 1 + 1e-12


@pytest.mark.parametrize("seed", [11])
def test_of_400_healthy_rollouts_no_interval_misses_the_truth_too_often(seed: int) -> None:
    """Ramp, drift and a true ratio of 2: either interval may miss at any of its looks in 5 % of runs, and less."""
    random = np.random.default_rng(seed)
    missed = {"ratio": 0, "delta": 0}
    for _ in range(400):
        total_c = np.linspace(20, 300, 12).astype(np.int64)
        total_b = 600 - total_c
        rate = 0.01 * (1.5 + np.sin(np.arange(12)))
        rows = Buckets(random.binomial(total_c, 2 * rate), random.binomial(total_b, rate), total_c, total_b)
        looks = [gather(Buckets(*(column[:end] for column in rows))) for end in range(1, 13)]
        missed["ratio"] += any(not _holds(ratio_interval(look, ALPHA), 2.0) for look in looks)
        missed["delta"] += any(
            not _holds(delta_interval(look, ALPHA), _true_delta(rate, total_c, total_b, end))
            for end, look in enumerate(looks, 1)
        )
    assert max(missed.values()) <= 0.05 * 400


def _holds(interval: tuple[float, float | None] | None, value: float) -> bool:
    assert interval is not None
    return interval[0] <= value <= (inf if interval[1] is None else interval[1])


def _true_delta(rate: np.ndarray, total_c: np.ndarray, total_b: np.ndarray, end: int) -> float:
    weights = (total_c * total_b / (total_c + total_b))[:end]
    return float((rate[:end] * weights).sum() / weights.sum())


# Arithmetic.


@given(some_rows, some_rows)
def test_evidence_adds_up_over_buckets(
    first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]]
) -> None:
    assert same(of(*first, *second), of(*first).plus(of(*second)))
    assert same(of(*first, *second), together([of(*second), of(*first)]))


@given(some_rows)
def test_buckets_that_are_cut_finer_at_the_same_share_say_the_same(rows: list[tuple[int, int, int, int]]) -> None:
    halves = [tuple(n // 2 for n in row) for row in rows]
    doubled = [tuple(2 * n for n in row) for row in halves]
    assert same(of(*doubled), of(*halves, *halves))  # type: ignore[arg-type]  # map keeps no lengths
    assert same(of(*doubled), of(*halves).times(2))  # type: ignore[arg-type]  # likewise


@given(some_rows)
def test_with_the_arms_swapped_everything_is_the_other_way_round(rows: list[tuple[int, int, int, int]]) -> None:
    straight, swapped = gather(Buckets.of(rows)), gather(Buckets.of(rows).swapped())
    low, high = ratio_interval(straight, ALPHA)
    back_low, back_high = ratio_interval(swapped, ALPHA)
    assert low == pytest.approx(0.0 if back_high is None else 1 / back_high)
    assert back_low == pytest.approx(0.0 if high is None else 1 / high)
    assert straight.excess == pytest.approx(-swapped.excess, abs=1e-9)
    there, back = delta_interval(straight, ALPHA), delta_interval(swapped, ALPHA)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there == pytest.approx((-back[1], -back[0]), abs=1e-9)


@given(some_rows)
def test_the_intervals_hold_what_was_seen(rows: list[tuple[int, int, int, int]]) -> None:
    evidence = of(*rows)
    likeliest = ratio(evidence)
    if likeliest is not None:
        assert _holds(ratio_interval(evidence, ALPHA), likeliest)
    difference, interval = delta(evidence), delta_interval(evidence, ALPHA)
    if difference is not None:
        assert interval is not None
        assert interval[0] - 1e-12 <= difference <= interval[1] + 1e-12
        assert -1 <= interval[0] <= interval[1] <= 1


@given(some_rows)
def test_ratio_and_difference_agree_on_who_is_worse(rows: list[tuple[int, int, int, int]]) -> None:
    evidence = of(*rows)
    likeliest = ratio(evidence)
    assume(likeliest is not None and abs(log(max(likeliest, 1e-9))) > STEP and evidence.weight > 0)
    assert (likeliest > 1) == (evidence.excess > 0)  # type: ignore[operator]  # assumed above


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 3))
def test_in_one_bucket_the_ratio_is_that_of_the_bad_shares(bad_c: int, bad_b: int, spread: int) -> None:
    total_c, total_b = 1000, 1000 * (spread + 1)
    seen = (bad_c / total_c) / (bad_b / total_b)
    assume(1 / 60 < seen < 60)
    assert ratio(of((bad_c, bad_b, total_c, total_b))) == pytest.approx(seen, rel=0.002)


def test_regions_that_fail_differently_are_no_difference_between_versions() -> None:
    """The canary serves mostly where everybody fails more: pooled, it would look three times as bad."""
    evidence = of((90, 10, 900, 100), (1, 9, 100, 900))
    assert ratio(evidence) == pytest.approx(1.0, abs=0.01)
    assert delta(evidence) == pytest.approx(0.0, abs=1e-9)
    assert log_e(evidence) < 0
    assert log_e(of((91, 19, 1000, 1000))) > 20


@given(st.integers(1, 10**7), st.integers(1, 10**7))
@settings(max_examples=40)
def test_ten_million_events_are_no_trouble(bad_c: int, bad_b: int) -> None:
    evidence = of((bad_c, bad_b, 10**9, 10**9))
    assert isfinite(log_e(evidence))
    assert isfinite(bounded_exp(log_e(evidence)))
    low, high = ratio_interval(evidence, ALPHA)
    assert low >= 0
    assert high is None or high >= low
    interval = delta_interval(evidence, ALPHA)
    assert interval is not None
    assert interval[0] <= (bad_c - bad_b) / 10**9 <= interval[1]


def test_the_interval_narrows_as_events_come() -> None:
    few, many = of((20, 20, 1000, 1000)), of((2000, 2000, 100_000, 100_000))
    assert ratio_interval(few, ALPHA)[0] < ratio_interval(many, ALPHA)[0] < 1
    assert delta_interval(many, ALPHA)[1] < delta_interval(few, ALPHA)[1]  # type: ignore[index]  # both have events


def test_the_margin_moves_what_is_accepted() -> None:
    rows = Buckets.of([(300, 200, 10_000, 10_000)])
    assert log_e(gather(rows, 1.0)) > log(1 / ALPHA) > log_e(gather(rows, 1.5))
    assert ratio(gather(rows, 1.5)) == pytest.approx(1.5, rel=0.002)
    assert ratio_interval(gather(rows, 1.5), ALPHA)[0] == pytest.approx(
        ratio_interval(gather(rows), ALPHA)[0], rel=0.05
    )


def test_the_mean_of_e_values_is_taken_without_overflow() -> None:
    assert mean_log_e([]) == 0.0
    assert mean_log_e([0.0, log(3)]) == pytest.approx(log(2))
    assert mean_log_e([5000.0, 0.0]) == pytest.approx(5000 - log(2))
    assert bounded_exp(5000.0) < inf
