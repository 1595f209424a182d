"""When a budget is gone at a pace: earlier the faster it burns and the less is left, one by one as in columns."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.durations import DAY, HOUR
from core.forecast import Forecast, foremost, in_words, outlook, seconds_left, seconds_left_of

MONTH = 30.0 * DAY
shares = st.none() | st.floats(-100, 1)
paces = st.none() | st.floats(0, 1000)
horizons = st.none() | st.floats(1, MONTH)
NEVER = float("inf")


def until(remaining: float | None, burn: float | None, within: float | None = None) -> float:
    found = seconds_left(remaining, burn, MONTH, within)
    return NEVER if found is None else found


def test_half_a_budget_lasts_half_the_period_divided_by_its_pace() -> None:
    assert seconds_left(0.5, 10, MONTH) == MONTH / 20
    assert seconds_left(0.5, 1.0, MONTH) is None
    assert seconds_left(1.0, 1.000001, MONTH) == pytest.approx(MONTH, rel=1e-5)


def test_what_is_spent_is_gone_now_at_whatever_pace() -> None:
    assert [seconds_left(0.0, burn, MONTH) for burn in (None, 0.0, 0.5, 7.0)] == [0.0] * 4
    assert seconds_left(None, 7.0, MONTH) is None


def test_a_period_that_ends_is_spent_at_a_slow_pace_too_but_not_after_its_end() -> None:
    assert seconds_left(0.01, 0.5, MONTH, 2 * DAY) == pytest.approx(0.6 * DAY)
    assert seconds_left(0.01, 0.5, MONTH, 0.5 * DAY) is None
    assert seconds_left(0.5, 0.0, MONTH, DAY) is None


@given(st.floats(-100, 1), st.floats(0, 1000), st.floats(0, 1000), horizons)
def test_the_faster_it_burns_the_earlier_it_is_gone(
    remaining: float, one: float, other: float, within: float | None
) -> None:
    slow, fast = sorted((one, other))
    assert until(remaining, fast, within) <= until(remaining, slow, within)


@given(st.floats(-100, 1), st.floats(-100, 1), st.floats(0, 1000), horizons)
def test_the_less_is_left_the_earlier_it_is_gone(one: float, other: float, burn: float, within: float | None) -> None:
    less, more = sorted((one, other))
    assert until(less, burn, within) <= until(more, burn, within)


@given(shares, paces)
def test_a_rolling_budget_is_gone_within_its_period_or_not_in_sight(
    remaining: float | None, burn: float | None
) -> None:
    found = seconds_left(remaining, burn, MONTH)
    assert found is None or 0 <= found <= MONTH


@given(st.lists(st.tuples(shares, paces), max_size=20))
@example([(0.3, 1.0), (None, 2.0), (0.0, None), (1.0, 1000.0)])
def test_columns_say_what_is_said_of_one(pairs: list[tuple[float | None, float | None]]) -> None:
    left, burn = (np.array([nan if pair[at] is None else pair[at] for pair in pairs], np.float64) for at in (0, 1))
    found = [None if one != one else one for one in seconds_left_of(left, burn, MONTH).tolist()]
    assert found == [seconds_left(*pair, MONTH) for pair in pairs]


def test_the_shortest_window_of_an_hour_or_more_foretells() -> None:
    times = {"5m": "a", "30m": "b", "1h": None, "6h": "c", "3d": "d"}
    assert foremost(times) == Forecast("6h", "c")
    assert foremost({"5m": "a", "30m": "b", "1h": None}) == Forecast("30m", "b")
    assert foremost({"5m": None}) is None
    assert foremost({}) is None
    assert Forecast("1h", "2026-01-05T00:00:00Z").time == 1_767_571_200


def test_the_outlook_says_in_how_long_or_when_and_nothing_of_a_spent_budget() -> None:
    row = {"budget_remaining": 0.2, "exhausted_at": {"1h": "2026-01-05T07:30:00Z"}}
    assert outlook(row, 1_767_571_200.0) == "budget gone in 7h at the pace of the last 1h"
    assert outlook(row, 1_767_671_200.0) == "budget gone by now at the pace of the last 1h"
    assert outlook(row, None) == "budget gone at 2026-01-05T07:30:00Z at the pace of the last 1h"
    assert outlook(row | {"budget_remaining": 0.0}, None) is None
    assert outlook({"budget_remaining": 0.5}, None) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5.0, "1m"), (90.0, "1m"), (HOUR - 1.0, "59m"), (7.9 * HOUR, "7h"), (DAY - 1.0, "23h"), (2.5 * DAY, "2d")],
)
def test_a_time_that_is_left_is_told_by_its_largest_unit(seconds: float, text: str) -> None:
    assert in_words(seconds) == text
