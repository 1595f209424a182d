"""What a deployment that somebody registers must fulfil, for the API and the command line."""

from __future__ import annotations

from burnline.times import parse_time
from core.durations import DAY, HOUR
from core.errors import ConfigError
from storage.deployments import Deployment

_AHEAD, _PAST = HOUR, 30 * DAY
"""A clock may be wrong by less than an hour; what is older than any window says nothing about a canary."""


def registered(
    version: str,
    model: str | None,
    region: str | None,
    share: float | None,
    at: str | None,
    note: str,
    by: str,
    now: float,
) -> Deployment:
    """The deployment to store; ConfigError where its time or share cannot be. `at`: RFC 3339 or Unix seconds."""
    time = now if at is None else parse_time(at)
    if not now - _PAST <= time <= now + _AHEAD:
        raise ConfigError(f"{at!r} is not within 30 days past and 1 hour ahead: write when the traffic changed")
    if share is not None and not 0 <= share <= 1:
        raise ConfigError(f"a share of {share:g} is none: write 0 to 1, as 0.1 for a tenth of the traffic")
    if not version.strip():
        raise ConfigError("a deployment needs a version")
    return Deployment(0, time, model, version, region, share, note, by, now)
