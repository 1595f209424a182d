"""Times that come again: a beginning by the clocks of a time zone, a duration, and a rule of RFC 5545 (RRULE).

An occurrence begins when the clocks of the zone show its time, also after they changed; a time that they skip is as
much later, and of one that they show twice the first is meant. It lasts its whole duration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import ParseError

_PART = re.compile(r"([A-Z]+)=([A-Z0-9,+-]+)")
_FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_LONGEST = 300
"""Characters of a rule."""
_SOON = timedelta(days=366 * 5)
"""A rule must come at least once within this time: one that never comes was not meant."""
_HOW = "write an RRULE of RFC 5545, as FREQ=WEEKLY;BYDAY=TU"


@dataclass(frozen=True)
class Recurrence:
    """From `start` (a time of `zone`, without an offset) for `duration` seconds; with a `rule` again and again."""

    start: datetime
    zone: str
    duration: float
    rule: str | None = None

    def between(self, low: float, high: float) -> Iterator[tuple[float, float]]:
        """The occurrences that touch [low, high), in order, as [begin, end) in Unix seconds."""
        for local in self._starts(low - self.duration, high):
            begin = unix_of(local, self.zone)
            if begin < high and begin + self.duration > low:
                yield begin, begin + self.duration

    def _starts(self, low: float, high: float) -> Iterator[datetime]:
        if self.rule is None:
            yield self.start
            return
        day = timedelta(days=1)  # clocks may have changed between what the rule says and what they show
        zone = ZoneInfo(self.zone)
        first, last = (datetime.fromtimestamp(time, zone).replace(tzinfo=None) for time in (low, high))
        yield from _rule(self.rule, self.start).between(first - day, last + day, inc=True)


def unix_of(local: datetime, zone: str) -> float:
    """When the clocks of a zone show a time (Unix seconds)."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).timestamp()


def check_zone(zone: str) -> None:
    """ParseError for what is no time zone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ParseError(f"{zone!r} is not a time zone: write an IANA name such as UTC or Europe/Warsaw") from None


def check_rule(rule: str, start: datetime) -> None:
    """ParseError for a rule that cannot be read, comes more often than hourly, or does not come within five years."""
    parts = [_PART.fullmatch(part) for part in rule.split(";")]
    if len(rule) > _LONGEST or not all(parts):
        raise ParseError(f"{rule!r} is no rule: {_HOW}")
    values = {match[1]: match[2] for match in parts if match}
    if values.get("FREQ") not in _FREQUENCIES:
        raise ParseError(f"{rule!r} needs FREQ, one of {', '.join(_FREQUENCIES)}")
    if not re.fullmatch("[1-9][0-9]{0,3}", values.get("INTERVAL", "1")):
        raise ParseError(f"{rule!r}: INTERVAL must be from 1 to 9999")
    if {"BYMINUTE", "BYSECOND"} & values.keys():
        raise ParseError(f"{rule!r}: the minute is that of the beginning, so leave BYMINUTE and BYSECOND out")
    if "COUNT" in values:
        raise ParseError(f"{rule!r}: write UNTIL for COUNT, as UNTIL=20271231T000000")
    if not _comes(rule, start):
        raise ParseError(f"{rule!r} does not come within five years of its beginning")


def _comes(rule: str, start: datetime) -> bool:
    try:
        found = _rule(rule, start)
        # Bounded: a rule that never comes would be tried until the year 9999.
        return next(iter(found.replace(until=min(start + _SOON, found._until or start + _SOON))), None) is not None
    except (ValueError, OverflowError) as error:
        raise ParseError(f"{rule!r} is no rule: {error}") from None


@cache
def _rule(rule: str, start: datetime) -> Any:
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - costs 20 ms, and few have rules

    return rrulestr(rule, dtstart=start, cache=True)
