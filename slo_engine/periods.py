"""The period that an SLO's budget is for: a rolling window, or the running one of a calendar.

Calendar periods follow each other from `start` on, by the clocks of their zone: a day has 23 or 25 hours when clocks
change, and a month is as long as it is. A time that clocks skip is as much later; of a time that they show twice, the
first is meant. The day of a month that has no such day is its last. Edges fall to the minute that holds them.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from core.buckets import MINUTES, start_of
from core.durations import HOUR, MINUTE
from slo_engine.book import Account
from slo_engine.burn import Revision, Spent, spent
from slo_engine.compile import Formula
from slo_engine.specs.model import Calendar, Slo

_FIXED = {"m": MINUTE, "h": HOUR}
_DAYS = {"d": 1, "w": 7}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}


class Period(NamedTuple):
    """[start, end) in Unix seconds, at whole minutes."""

    start: int
    end: int


def period_at(calendar: Calendar, minute: int) -> Period | None:
    """The period that holds the minute which ends at `minute`; None before the first."""
    at = minute - MINUTES.width
    step = _about(calendar, at)
    while _edge(calendar, step) > at:
        step -= 1
    while _edge(calendar, step + 1) <= at:
        step += 1
    return Period(_edge(calendar, step), _edge(calendar, step + 1)) if step >= 0 else None


def period_seconds(slo: Slo, end: int) -> int:
    """How long the part of the SLO's period is that ends at `end`: the window, or what has passed of a calendar's."""
    if slo.calendar is None:
        return slo.window_seconds
    period = period_at(slo.calendar, end)
    return end - period.start if period else 0


def period_of(
    formula: Formula, account: Account, end: int, revisions: Sequence[Revision], reset_at: float | None = None
) -> Spent:
    """What the SLO's period spent up to `end`; after a reset only what was counted from its minute on."""
    seconds: float = period_seconds(formula.slo, end)
    if reset_at is not None:
        seconds = max(0, min(seconds, end - start_of(reset_at, MINUTES.width)))
    return spent(formula, account, seconds, end, revisions)


def fields(slo: Slo, spent: Spent, end: int) -> dict[str, Any]:
    """The field `period` of a status row; nothing for a rolling window. Times are Unix seconds.

    `budget_remaining_estimate` is of the whole period, and `exhausted_at` when that is gone, if the rest of the period
    goes as what has passed of it; None where it is not before its end, or nothing is known.
    """
    period = period_at(slo.calendar, end) if slo.calendar else None
    if period is None:
        return {}
    elapsed = (end - period.start) / (period.end - period.start)
    used = elapsed * float(spent.bad / spent.allowed) if spent.allowed else None
    gone = period.start + (end - period.start) / used if used else None
    return {
        "start": period.start,
        "end": period.end,
        "elapsed": elapsed,
        "budget_remaining_estimate": None if used is None else 1 - used,
        "exhausted_at": gone if gone is not None and gone < period.end else None,
    }


def _about(calendar: Calendar, at: int) -> int:
    """A step near a time, so that few are tried."""
    start, now = calendar.start, datetime.fromtimestamp(at, ZoneInfo(calendar.zone)).replace(tzinfo=None)
    if calendar.unit in _MONTHS:
        months = (now.year - start.year) * 12 + now.month - start.month
        return months // (_MONTHS[calendar.unit] * calendar.count)
    length = _DAYS.get(calendar.unit, 0) * 24 * HOUR or _FIXED[calendar.unit]
    return int((now - start).total_seconds()) // (length * calendar.count)


def _edge(calendar: Calendar, step: int) -> int:
    """When a step begins (Unix seconds)."""
    zone, many = ZoneInfo(calendar.zone), step * calendar.count
    if calendar.unit in _FIXED:
        begin = calendar.start.replace(tzinfo=zone).timestamp() + many * _FIXED[calendar.unit]
        return start_of(begin, MINUTES.width)
    if calendar.unit in _DAYS:
        local = calendar.start + timedelta(days=many * _DAYS[calendar.unit])
    else:
        local = _months_later(calendar.start, many * _MONTHS[calendar.unit])
    return start_of(local.replace(tzinfo=zone, fold=0).timestamp(), MINUTES.width)


def _months_later(local: datetime, months: int) -> datetime:
    years, month = divmod(local.month - 1 + months, 12)
    year = local.year + years
    return local.replace(year=year, month=month + 1, day=min(local.day, monthrange(year, month + 1)[1]))
