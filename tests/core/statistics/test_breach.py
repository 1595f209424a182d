"""The e-detector: its formula step by step, its martingale, its false alarms and its delays."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statistics.breach import BREACHES, HOLD, MOST, Steps, advance, at_least, gains, value, weigh

NEVER = 1e300
"""A threshold so high that nothing is cut to it."""
LIMITS = (0.0006, 0.006, 0.06, 0.3, 0.75)

counts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40)), min_size=1, max_size=60)


def steps(rows: list[tuple[int, int]], limit: float | list[float]) -> Steps:
    bad, good = (np.array([row[at] for row in rows], np.int64) for at in (0, 1))
    return Steps.of(bad, bad + good, np.array(limit))


@given(counts, st.lists(st.sampled_from(LIMITS), min_size=60, max_size=60), st.sampled_from([10.0, 1e5]))
def test_all_at_once_is_one_step_after_the_other(
    rows: list[tuple[int, int]], limits: list[float], threshold: float
) -> None:
    taken = steps(rows, limits[: len(rows)])
    evidence = np.zeros((len(BREACHES), 1))
    for at in range(len(rows)):
        gain = gains(taken.limit[at : at + 1])
        evidence = advance(evidence, taken.bad[at : at + 1], taken.good[at : at + 1], gain, threshold)
    assert weigh(taken, threshold).value == pytest.approx(float(value(evidence)[0]), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("events", [1, 2, 7, 30])
def test_at_the_limit_a_step_multiplies_the_evidence_by_1_at_most_on_average_and_less_below_it(
    limit: float, events: int
) -> None:
    gain = gains(np.array([limit]))
    for rate in (limit, limit / 2, limit / 50):
        chance = [comb(events, b) * rate**b * (1 - rate) ** (events - b) for b in range(events + 1)]
        factors = [np.exp(min(b, MOST) * gain.bad + (events - b) * gain.good) for b in range(events + 1)]
        mean = sum(p * factor for p, factor in zip(chance, factors, strict=True))
        assert (mean <= 1 + 1e-12).all()
        if events == 1 and rate == limit:
            assert mean == pytest.approx(np.ones_like(mean))


def test_after_any_stream_of_single_events_at_the_limit_it_is_on_average_the_number_of_steps() -> None:
    limit, length = 0.2, 10
    total = 0.0
    for stream in product((0, 1), repeat=length):
        taken = steps([(bad, 1 - bad) for bad in stream], limit)
        total += limit ** sum(stream) * (1 - limit) ** (length - sum(stream)) * weigh(taken, 1e12).value
    assert total == pytest.approx(length)


@given(counts, st.sampled_from(LIMITS), st.integers(1, 6))
def test_of_the_bad_events_of_one_step_two_count(rows: list[tuple[int, int]], limit: float, more: int) -> None:
    crowded = [(bad * more if bad >= MOST else bad, good) for bad, good in rows]
    assert weigh(steps(crowded, limit), 1e5).value == weigh(steps(rows, limit), 1e5).value
    assert weigh(steps([(1, 0)], limit), 1e15).value < weigh(steps([(2, 0)], limit), 1e15).value


@given(counts, st.sampled_from(LIMITS))
def test_a_good_event_more_never_adds_evidence_and_older_steps_never_take_any(
    rows: list[tuple[int, int]], limit: float
) -> None:
    here = weigh(steps(rows, limit), NEVER).value
    assert weigh(steps([*rows[:-1], (rows[-1][0], rows[-1][1] + 1)], limit), NEVER).value <= here * (1 + 1e-12)
    assert weigh(steps([(1, 3), *rows], limit), NEVER).value >= here * (1 - 1e-12)


@pytest.mark.parametrize(("rate", "hourly"), [(0.02, 10), (0.006, 100), (0.2, 2)])
def test_of_2000_months_at_the_limit_no_more_alarm_than_is_promised(rate: float, hourly: float) -> None:
    rng, months, length = np.random.default_rng(5), 2000, 8640
    threshold = 10.0 * length  # one in ten months
    evidence = np.zeros((len(BREACHES), months))
    gain, alarmed = gains(np.array([rate])), np.zeros(months, bool)
    for _ in range(length):
        total = rng.poisson(hourly / 12, months)
        bad = rng.binomial(total, rate)
        evidence = advance(evidence, bad, total - bad, gain, threshold)
        alarmed |= value(evidence) >= threshold
    assert alarmed.mean() <= 0.1
    assert alarmed.any()  # the bound is one that can be reached, not an empty one


def test_two_bad_requests_of_an_hour_are_not_enough_at_99_percent_and_a_dozen_are() -> None:
    threshold, quiet = 105_120.0, [(0, 1)] * 100
    assert weigh(steps([*quiet, (1, 0), (0, 1), (1, 0)], 0.06), threshold).value < threshold
    assert weigh(steps([*quiet, *[(1, 0), (0, 0)] * 12], 0.06), threshold).value >= threshold


def test_an_outage_is_found_as_fast_after_ten_thousand_good_requests_as_after_a_hundred() -> None:
    outage = [(1, 0)] * 3
    assert all(weigh(steps([(0, 1)] * n + outage, 0.006), 105_120.0).value > 105_120.0 for n in (100, 10_000))


@pytest.mark.parametrize(("every", "calm"), [(1, 3), (10, 40)])
def test_after_a_breach_of_any_length_good_requests_end_it_after_a_few_times_its_spacing(every: int, calm: int) -> None:
    threshold = 105_120.0
    breach = [(1, 0), *[(0, 1)] * (every - 1)]
    for length in (20, 400):
        rows = breach * length
        assert weigh(steps(rows, 0.006), threshold).value > threshold
        assert weigh(steps([*rows, *[(0, 1)] * (calm * 3)], 0.006), threshold).value < threshold
        assert weigh(steps(rows, 0.006), threshold).value <= HOLD * threshold * (1 + 1e-9)


def test_it_says_since_when_and_how_many() -> None:
    rows = [(0, 5)] * 50 + [(1, 0), (0, 1), (2, 1)]
    found = weigh(steps(rows, 0.006), 1e5)
    assert (found.start, found.bad, found.total) == (50, 3, 5)


def test_the_bound_is_the_highest_limit_that_is_still_rejected() -> None:
    taken = steps([(0, 1)] * 50 + [(1, 1)] * 12, 0.006)
    bound = at_least(taken, 105_120.0)
    assert bound is not None
    assert 5 < bound < 0.5 / 0.006
    assert weigh(taken._replace(limit=taken.limit * bound), 105_120.0).value >= 105_120.0
    assert weigh(taken._replace(limit=taken.limit * bound * 1.05), 105_120.0).value < 105_120.0
    assert at_least(steps([(0, 50), (1, 0)], 0.006), 105_120.0) is None


def test_nothing_is_no_evidence_and_impossible_counts_are_refused() -> None:
    empty = np.zeros(0, np.int64)
    assert weigh(Steps.of(empty, empty, 0.1), 10.0) == (0.0, 0, 0, 0)
    assert at_least(Steps.of(empty, empty, 0.1), 10.0) is None
    with pytest.raises(ValueError, match="between 0 and the total"):
        steps([(2, -1)], 0.1)
    for limit in (0.0, 1.0):
        with pytest.raises(ValueError, match="a limit must"):
            steps([(1, 1)], limit)
