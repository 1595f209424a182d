"""Times as people and programs write them: RFC 3339, Unix seconds, or back from now."""

from __future__ import annotations

import re
from datetime import datetime

from core.durations import parse_prometheus
from core.errors import ConfigError, ParseError

_LATEST = 253_402_300_799
"""The last second of the year 9999, which is the last that a date can say."""
_RELATIVE = re.compile(r"(?:now)?-(.+)|now")
_FORMS = "write 2026-11-23T12:00:00Z, Unix seconds, now, or a time before now as -7d or now-30d"


def parse_time(text: str) -> float:
    """Unix seconds of RFC 3339 or Unix seconds, in the years 1970 to 9999; ConfigError otherwise."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = _parse_date(text)
    if not 0 <= seconds <= _LATEST:
        raise ConfigError(f"{text!r} is no time: write 2026-11-23T12:00:00Z or Unix seconds")
    return seconds


def parse_moment(text: str, now: float) -> float:
    """As `parse_time`; and `now`, `-7d` or `now-1h30m`, counted from `now` (Unix seconds)."""
    match = _RELATIVE.fullmatch(text.strip())
    if match is not None and not _is_number(text):
        try:
            back = parse_prometheus(match[1]) if match[1] else 0.0
        except ParseError:
            raise ConfigError(f"{text!r} is no time: {_FORMS}") from None
        if back > now:
            raise ConfigError(f"{text!r} is before 1970: {_FORMS}")
        return now - back
    try:
        return parse_time(text.strip())
    except ConfigError as error:
        if "no time zone" in str(error):
            raise
        raise ConfigError(f"{text!r} is no time: {_FORMS}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_date(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time: write 2026-11-23T12:00:00Z or Unix seconds") from None
    if found.tzinfo is None:
        raise ConfigError(f"{text!r} has no time zone: add Z for UTC")
    return found.timestamp()
