"""Calendar periods: they follow each other without a gap, by the clocks of their zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.durations import DAY, HOUR
from core.measures import Measure
from slo_engine.periods import Period, period_at
from slo_engine.specs.model import Calendar
from tests.slo_engine.script import slo_text
from tests.slo_engine.world import START, World

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M = (("model", "m"),)
ZONES = ("UTC", "Europe/Warsaw", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe")


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def period(start: str, zone: str, duration: str, now: str) -> tuple[str, str]:
    """The period that holds a time of the zone, in its own clocks."""
    calendar = Calendar(datetime.fromisoformat(start), zone, int(duration[:-1]), duration[-1])
    found = period_at(calendar, at(now, zone) + 60)
    assert found is not None
    begin, end = (datetime.fromtimestamp(edge, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") for edge in found)
    return begin, end


@pytest.mark.parametrize(
    ("start", "zone", "duration", "now", "expected"),
    [
        ("2026-01-01", "UTC", "1M", "2026-02-28 23:59", ("2026-02-01 00:00", "2026-03-01 00:00")),
        ("2026-01-01", "UTC", "1M", "2026-03-01 00:00", ("2026-03-01 00:00", "2026-04-01 00:00")),
        ("2024-01-31", "UTC", "1M", "2026-02-10", ("2026-01-31 00:00", "2026-02-28 00:00")),
        ("2024-01-31", "UTC", "1M", "2026-03-01", ("2026-02-28 00:00", "2026-03-31 00:00")),
        ("2024-02-29", "UTC", "1Y", "2026-06-01", ("2026-02-28 00:00", "2027-02-28 00:00")),
        ("2025-04-01", "UTC", "1Q", "2026-03-31 12:00", ("2026-01-01 00:00", "2026-04-01 00:00")),
        ("2026-01-05 09:00", "Europe/Warsaw", "1w", "2026-03-30 10:00", ("2026-03-30 09:00", "2026-04-06 09:00")),
        ("2026-01-05 09:00", "Europe/Warsaw", "1w", "2026-03-30 08:00", ("2026-03-23 09:00", "2026-03-30 09:00")),
        ("2026-01-01", "Asia/Kolkata", "1d", "2026-05-05 05:00", ("2026-05-05 00:00", "2026-05-06 00:00")),
        ("2026-01-01 00:00:30", "UTC", "6h", "2026-01-01 13:00", ("2026-01-01 12:00", "2026-01-01 18:00")),
    ],
)
def test_a_period_is_counted_from_its_start_by_the_calendar(
    start: str, zone: str, duration: str, now: str, expected: tuple[str, str]
) -> None:
    assert period(start, zone, duration, now) == expected


def length(day: str, zone: str = "Europe/Warsaw") -> float:
    calendar = Calendar(datetime.fromisoformat("2026-01-01 00:00"), zone, 1, "d")
    found = period_at(calendar, at(f"{day} 12:00", zone))
    assert found
    return (found.end - found.start) / HOUR


def test_a_day_on_which_clocks_change_has_23_or_25_hours() -> None:
    assert [length("2026-03-28"), length("2026-03-29"), length("2026-10-25")] == [24, 23, 25]


def test_a_start_that_clocks_skip_is_later_and_of_one_that_comes_twice_the_first_is_meant() -> None:
    calendar = Calendar(datetime.fromisoformat("2026-01-01 02:30"), "Europe/Warsaw", 1, "d")
    skipped = period_at(calendar, at("2026-03-29 12:00", "Europe/Warsaw"))
    twice = period_at(calendar, at("2026-10-25 12:00", "Europe/Warsaw"))
    assert skipped and twice
    assert skipped.start == at("2026-03-29 03:30", "Europe/Warsaw")
    assert twice.start == at("2026-10-25 00:30", "UTC")


def test_before_the_first_period_there_is_none() -> None:
    calendar = Calendar(datetime.fromisoformat("2026-03-01 00:00"), "UTC", 1, "M")
    assert period_at(calendar, at("2026-03-01")) is None
    assert period_at(calendar, at("2026-03-01 00:01")) == Period(at("2026-03-01"), at("2026-04-01"))


@given(
    st.datetimes(datetime.fromisoformat("1990-01-01 00:00"), datetime.fromisoformat("2040-01-01 00:00")),
    st.sampled_from(ZONES),
    st.integers(1, 13),
    st.sampled_from("hdwMQY"),
    st.integers(0, 40 * 365 * DAY // 60),
)
def test_periods_follow_each_other_without_a_gap(start: datetime, zone: str, count: int, unit: str, later: int) -> None:
    calendar = Calendar(start, zone, count, unit)
    begin = int(start.replace(tzinfo=ZoneInfo(zone)).timestamp()) // 60 * 60
    minute = begin + (later + 1) * 60
    here = period_at(calendar, minute)
    assert here is not None
    assert here.start <= minute - 60 < here.end
    assert period_at(calendar, here.end) == here
    following = period_at(calendar, here.end + 60)
    assert following is not None
    assert following.start == here.end


def calendar_text(duration: str, start: str, zone: str = "UTC") -> str:
    """An SLO of 99 % over a calendar's periods."""
    text = slo_text("success", "99", "requests")
    whole = f"{{duration: {duration}, calendar: {{startTime: '{start}', timeZone: {zone}}}}}"
    return text.replace("{duration: 30d, isRolling: true}", whole)


def test_a_budget_is_that_of_what_has_passed_and_an_estimate_is_made_of_the_whole(world: World) -> None:
    world.count(range(START, START + 20 * 60, 60), {(BAD, M): 10})  # before the period
    world.count(range(START + 20 * 60, START + 50 * 60, 60), {(GOOD, M): 199, (BAD, M): 1})
    world.lead(calendar_text("2h", "2026-01-04 22:20:00"))
    world.tick(START + 50 * 60)
    row = world.status()
    assert (row["total"], row["good"], row["window"]) == (6000, 5970, "2h")
    assert row["budget_remaining"] == pytest.approx(0.5)  # 30 bad of the 60 that 6000 events allow
    assert row["period"] == {
        "start": "2026-01-05T00:20:00Z",
        "end": "2026-01-05T02:20:00Z",
        "elapsed": 0.25,
        "budget_remaining_estimate": pytest.approx(0.875),  # 30 of the 240 that four times as many would allow
        "exhausted_at": None,
    }
    assert row["burn_rates"]["1m"] == pytest.approx(0.5)


def test_a_budget_that_will_not_last_says_when_it_is_gone_and_a_new_period_begins_anew(world: World) -> None:
    world.count(range(START, START + 30 * 60, 60), {(GOOD, M): 96, (BAD, M): 4})
    world.count(range(START + 30 * 60, START + 70 * 60, 60), {(GOOD, M): 100})
    world.lead(calendar_text("1h", "2026-01-01 01:00:00", "Europe/Warsaw"))
    world.tick(START + 15 * 60)
    assert world.status()["budget_remaining"] == pytest.approx(-3)
    assert world.status()["period"]["budget_remaining_estimate"] == pytest.approx(0, abs=1e-9)
    world.tick(START + 30 * 60)
    assert world.status()["period"]["exhausted_at"] == "2026-01-05T00:15:00Z"
    world.tick(START + 3600)
    assert (world.status()["total"], world.status()["period"]["elapsed"]) == (6000, 1.0)
    world.tick(START + 3660)
    assert (world.status()["total"], world.status()["budget_remaining"]) == (100, 1.0)


def test_before_its_first_period_an_slo_says_when_that_begins(world: World) -> None:
    world.count(range(START, START + 600, 60), {(GOOD, M): 10})
    world.lead(calendar_text("1M", "2026-02-01 00:00:00"))
    world.tick(START + 600)
    row = world.status()
    assert (row["total"], row["budget_remaining"], row.get("period")) == (None, None, None)
    assert "its first period begins at 2026-02-01 00:00:00 UTC" in row["reason"]


def test_a_change_of_calendar_begins_a_revision(world: World) -> None:
    from storage import slo as store

    world.lead(slo_text("success", "99", "requests"))
    world.lead(calendar_text("1M", "2026-02-01 00:00:00"))
    assert len(store.revisions(world.db)) == 2
