"""Occurrences by the clocks of a zone, and the rules that are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import ParseError
from core.recurrence import Recurrence, check_rule, check_zone

HOUR = 3600.0
WARSAW = "Europe/Warsaw"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def begins(found: Recurrence, low: str, high: str) -> list[str]:
    spans = list(found.between(at(low), at(high)))
    assert all(end - begin == found.duration for begin, end in spans)
    return [datetime.fromtimestamp(begin, UTC).strftime("%m-%d %H:%M") for begin, _ in spans]


def test_without_a_rule_it_comes_once() -> None:
    once = Recurrence(local("2026-12-01T22:00"), WARSAW, 2 * HOUR)
    assert begins(once, "2026-11-01", "2027-11-01") == ["12-01 21:00"]
    assert begins(once, "2026-12-01T22:59", "2026-12-01T23:00") == ["12-01 21:00"]
    assert begins(once, "2026-12-01T23:00", "2026-12-02") == []
    assert begins(once, "2026-12-01T20:00", "2026-12-01T21:00") == []


def test_a_weekly_rule_follows_the_clocks_when_they_change() -> None:
    weekly = Recurrence(local("2026-03-17T22:00"), WARSAW, HOUR, "FREQ=WEEKLY;BYDAY=TU")
    assert begins(weekly, "2026-03-15", "2026-04-10") == ["03-17 21:00", "03-24 21:00", "03-31 20:00", "04-07 20:00"]


def test_a_time_that_clocks_skip_is_later_and_of_one_that_comes_twice_the_first_is_meant() -> None:
    daily = Recurrence(local("2026-03-01T02:30"), WARSAW, HOUR, "FREQ=DAILY")
    assert begins(daily, "2026-03-28T03:00", "2026-03-30T12:00") == ["03-29 01:30", "03-30 00:30"]
    assert begins(daily, "2026-10-25", "2026-10-25T23:00") == ["10-25 00:30"]


def test_an_occurrence_that_began_before_is_found_while_it_lasts() -> None:
    monthly = Recurrence(
        local("2026-01-31T23:00"), "UTC", 26 * HOUR, "FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=20260401T000000"
    )
    assert begins(monthly, "2026-03-01T23:00", "2026-03-02") == ["02-28 23:00"]
    assert begins(monthly, "2026-04-02T01:00", "2027-01-01") == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "is no rule"),
        ("weekly", "is no rule"),
        ("FREQ=MINUTELY", "needs FREQ, one of HOURLY"),
        ("INTERVAL=2", "needs FREQ"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be from 1"),
        ("FREQ=DAILY;BYHOUR=99", "hour must be in 0..23"),
        ("FREQ=DAILY;FOO=1", "unknown parameter"),
        ("FREQ=DAILY;COUNT=3", "write UNTIL for COUNT"),
        ("FREQ=DAILY;BYMINUTE=0,10,20", "leave BYMINUTE and BYSECOND out"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "UNTIL"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "does not come within five years"),
        ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "does not come within five years"),
        ("FREQ=DAILY;UNTIL=20200101T000000", "does not come within five years"),
        ("DTSTART:20200101T000000\nRRULE:FREQ=DAILY", "is no rule"),
        ("FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 200), "is no rule"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: str, says: str) -> None:
    with pytest.raises(ParseError, match=says):
        check_rule(rule, local("2026-01-01T10:00"))


def test_a_zone_must_be_one() -> None:
    check_zone(WARSAW)
    for wrong in ("", "Mars/Olympus", "../etc/passwd", "CET+1"):
        with pytest.raises(ParseError, match="is not a time zone"):
            check_zone(wrong)
