"""Burn policies against closed forms: an outage begins as a step with error ratio e, on steady traffic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.durations import DAY, HOUR, MINUTE
from slo_engine.windows import BurnPolicy, BurnRow, policy_for

THREE_NINES = Fraction(999, 1000)
MONTH = 30 * DAY
PERIODS = [1 * DAY, 2 * DAY, 7 * DAY, 14 * DAY, 27 * DAY, 28 * DAY, 30 * DAY, 90 * DAY, 365 * DAY]


def rows(policy: BurnPolicy) -> list[tuple[str, int, int, Fraction]]:
    return [(row.severity, row.long, row.short, row.factor) for row in policy.rows]


def detection(policy: BurnPolicy, severity: str, target: Fraction, errors: Fraction) -> Fraction | None:
    """Seconds until a row of the severity has both windows above its factor; None when none ever has."""
    times = [_row_detection(row, 1 - target, errors) for row in policy.rows if row.severity == severity]
    return min((time for time in times if time is not None), default=None)


def _row_detection(row: BurnRow, budget: Fraction, errors: Fraction) -> Fraction | None:
    if errors <= row.factor * budget:
        return None
    return max(row.factor * budget * window / errors for window in (row.long, row.short))


def test_thirty_days_of_a_high_target_are_watched_as_the_workbook_says() -> None:
    assert rows(policy_for(THREE_NINES, MONTH)) == [
        ("page", HOUR, 5 * MINUTE, Fraction("14.4")),
        ("page", 6 * HOUR, 30 * MINUTE, Fraction(6)),
        ("ticket", DAY, 2 * HOUR, Fraction(3)),
        ("ticket", 3 * DAY, 6 * HOUR, Fraction(1)),
    ]
    shares = [row.budget_share for row in policy_for(THREE_NINES, MONTH).rows]
    assert shares == [Fraction(2, 100), Fraction(5, 100), Fraction(10, 100), Fraction(10, 100)]


def test_other_long_periods_scale_the_factor_and_keep_windows_and_shares() -> None:
    month, four_weeks = policy_for(THREE_NINES, MONTH), policy_for(THREE_NINES, 28 * DAY)
    assert [row.factor for row in four_weeks.rows] == [Fraction(x) for x in ("13.44", "5.6", "2.8")] + [
        Fraction(14, 15)
    ]
    assert [(r.long, r.short, r.budget_share) for r in four_weeks.rows] == [
        (r.long, r.short, r.budget_share) for r in month.rows
    ]


def test_a_week_spends_more_of_its_budget_so_that_no_factor_falls_under_one() -> None:
    assert [float(row.factor) for row in policy_for(THREE_NINES, 7 * DAY).rows] == pytest.approx(
        [13.44, 3.5, 1.4, 1.00333], 1e-4
    )


def test_under_a_week_the_windows_shrink_with_the_period_to_whole_minutes() -> None:
    windows = [(row.long // MINUTE, row.short // MINUTE) for row in policy_for(THREE_NINES, DAY).rows]
    assert windows == [(9, 1), (52, 5), (206, 18), (618, 52)]


# Time to detection in seconds at 99.9 % over 30 days; None where the condition is never met.
DETECTION = [
    ("1", "51.84", "259.2"),
    ("0.15", "345.6", "1728"),
    ("0.05", "1036.8", "5184"),
    ("0.01", "12960", "25920"),
    ("0.005", None, "51840"),
    ("0.002", None, "129600"),
]


@pytest.mark.parametrize(("errors", "page", "ticket"), DETECTION)
def test_the_time_to_detection_is_the_closed_form(errors: str, page: str | None, ticket: str) -> None:
    policy = policy_for(THREE_NINES, MONTH)
    assert detection(policy, "page", THREE_NINES, Fraction(errors)) == (Fraction(page) if page else None)
    assert detection(policy, "ticket", THREE_NINES, Fraction(errors)) == Fraction(ticket)


@pytest.mark.parametrize(("target", "minutes"), [("0.95", "10.8"), ("0.9", "21.6"), ("0.8", "43.2")])
def test_a_total_outage_of_a_low_target_pages_when_its_file_says(target: str, minutes: str) -> None:
    low = Fraction(target)
    assert detection(policy_for(low, MONTH), "page", low, Fraction(1)) == Fraction(minutes) * MINUTE


def test_the_low_table_begins_at_95_percent_where_the_workbook_asks_for_72_percent_errors() -> None:
    just_above = policy_for(Fraction(951, 1000), MONTH).rows[0]
    assert (just_above.factor, policy_for(Decimal("0.95"), MONTH).rows[0].factor) == (Fraction("14.4"), Fraction("3.6"))


@given(st.fractions(Fraction(8, 10), Fraction(9999, 10000)), st.sampled_from(PERIODS))
def test_every_row_can_fire_with_a_quarter_of_the_requests_to_spare(target: Fraction, period: int) -> None:
    for row in policy_for(target, period).rows:
        assert row.factor * (1 - target) <= Fraction(3, 4)


@given(st.fractions(Fraction(1, 1000), Fraction(8, 10)), st.sampled_from(PERIODS))
def test_under_80_percent_rows_can_still_fire(target: Fraction, period: int) -> None:
    assert all(row.factor * (1 - target) < 1 for row in policy_for(target, period).rows)


@given(st.fractions(Fraction(0), Fraction(9999, 10000)), st.integers(DAY, 400 * DAY))
def test_every_policy_is_sound(target: Fraction, period: int) -> None:
    policy = policy_for(target, period)
    assert [row.severity for row in policy.rows] == ["page", "page", "ticket", "ticket"]
    for row in policy.rows:
        assert row.factor >= Fraction(14, 15)
        assert row.budget_share == row.factor * row.long / period
        assert row.long > row.short >= MINUTE
        assert row.long % MINUTE == row.short % MINUTE == 0
        assert row.long <= period


@pytest.mark.parametrize(("target", "period"), [(Fraction(1), MONTH), (Fraction(-1, 10), MONTH), (THREE_NINES, 0)])
def test_what_is_no_target_or_no_window_is_refused(target: Fraction, period: int) -> None:
    with pytest.raises(ValueError, match="no burn policy"):
        policy_for(target, period)
