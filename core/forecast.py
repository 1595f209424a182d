"""When an error budget is gone, if it goes on being spent as in some recent window. Pure arithmetic, for one or many.

A rolling window loses its oldest events meanwhile, and they may have been bad: so this is the earliest time, not the
likeliest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.durations import DAY, HOUR, MINUTE, parse_prometheus

Floats = npt.NDArray[np.float64]

_STEADY = HOUR
"""Windows shorter than this (seconds) tell of a moment, not of a pace to foretell by."""


def seconds_left(
    remaining: float | None, burn: float | None, period: float, within: float | None = None
) -> float | None:
    """Seconds until the rest of a budget is gone: remaining × period ÷ burn.

    `remaining`: share of the budget that is left; `burn`: its pace, 1 spends all of it in `period` (seconds). 0 where
    it is spent already, at whatever pace. None where either is unknown, and where it lasts: a rolling window regains
    what burns no faster than 1; a period that ends in `within` seconds, what is not spent by then.
    """
    if remaining is None:
        return None
    if remaining <= 0:
        return 0.0
    if burn is None or burn <= (1.0 if within is None else 0.0):
        return None
    found = remaining * period / burn
    return None if within is not None and found >= within else found


def seconds_left_of(remaining: Floats, burn: Floats, period: float) -> Floats:
    """The same of many in a rolling window; NaN stands for None."""
    found = np.full(len(remaining), np.nan)
    found[remaining <= 0] = 0.0
    np.divide(remaining * period, burn, out=found, where=(remaining > 0) & (burn > 1.0))
    return found


class Forecast(NamedTuple):
    """The budget is gone at `at` (RFC 3339, UTC) at the pace of `window`, as `1h`."""

    window: str
    at: str

    @property
    def time(self) -> float:
        """Unix seconds."""
        return datetime.fromisoformat(self.at).timestamp()


def outlook(row: Mapping[str, Any], now: float | None) -> str | None:
    """`budget gone in 7h at the pace of the last 1h`, of a status row; None where that is not in sight, or over.

    Without `now` (Unix seconds) it says at which time.
    """
    left, found = row["budget_remaining"], foremost(row.get("exhausted_at") or {})
    if left is None or left <= 0 or found is None:
        return None
    when = f"at {found.at}" if now is None else "by now" if found.time <= now else f"in {in_words(found.time - now)}"
    return f"budget gone {when} at the pace of the last {found.window}"


def foremost(exhausted_at: Mapping[str, str | None]) -> Forecast | None:
    """The forecast to show of a status row's `exhausted_at`: of the shortest window of an hour or more that has one."""
    known = [Forecast(window, at) for window, at in exhausted_at.items() if at is not None]
    return min(known, key=_unsteady, default=None)


def _unsteady(one: Forecast) -> tuple[bool, float]:
    length = parse_prometheus(one.window)
    return (True, -length) if length < _STEADY else (False, length)


def in_words(seconds: float) -> str:
    """A time that is left, by its largest unit, rounded down: `7h`; below a minute `1m`."""
    for unit, name in ((DAY, "d"), (HOUR, "h")):
        if seconds >= unit:
            return f"{int(seconds // unit)}{name}"
    return f"{max(1, int(seconds // MINUTE))}m"
