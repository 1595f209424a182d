"""Maintenance windows as people write them, for the command line and the API alike."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from burnline.times import parse_time
from core.durations import parse_prometheus
from core.errors import ConfigError
from core.recurrence import Recurrence, check_zone

_LATEST = 250_000_000_000
"""Unix seconds that every time zone can still say."""


def announced(begin: str | None, duration: str, zone: str, rule: str | None, now: float) -> Recurrence:
    """When maintenance is. `begin`: a time by the clocks of `zone`, or with an offset, or Unix seconds; None: now.

    ParseError and ConfigError for what cannot be read.
    """
    check_zone(zone)
    return Recurrence(_local(begin, zone, now), zone, parse_prometheus(duration), rule)


def _local(begin: str | None, zone: str, now: float) -> datetime:
    if begin is None:
        return _shown(now, zone)
    try:
        found = datetime.fromisoformat(begin)
    except ValueError:
        return _shown(parse_time(begin), zone)
    if not 1970 < found.year < 9999:
        raise ConfigError(f"{begin!r} is no time of maintenance: write 2026-12-01T22:00")
    return found if found.tzinfo is None else _shown(found.timestamp(), zone)


def _shown(time: float, zone: str) -> datetime:
    """What the clocks of a zone show at a time, to the second."""
    if time > _LATEST:
        raise ConfigError("maintenance begins within a year: write an earlier beginning")
    return datetime.fromtimestamp(int(time), UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
