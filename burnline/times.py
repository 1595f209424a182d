"""Times as people and programs write them: RFC 3339 or Unix seconds."""

from __future__ import annotations

from datetime import datetime

from core.errors import ConfigError

_LATEST = 253_402_300_799
"""The last second of the year 9999, which is the last that a date can say."""


def parse_time(text: str) -> float:
    """Unix seconds of RFC 3339 or Unix seconds, in the years 1970 to 9999; ConfigError otherwise."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = _parse_date(text)
    if not 0 <= seconds <= _LATEST:
        raise ConfigError(f"{text!r} is no time: write 2026-11-23T12:00:00Z or Unix seconds")
    return seconds


def _parse_date(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time: write 2026-11-23T12:00:00Z or Unix seconds") from None
    if found.tzinfo is None:
        raise ConfigError(f"{text!r} has no time zone: add Z for UTC")
    return found.timestamp()
