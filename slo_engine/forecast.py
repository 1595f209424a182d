"""When a group's budget is gone at the pace of each of its windows: the status field `exhausted_at`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.durations import render
from core.forecast import Floats, seconds_left, seconds_left_of
from slo_engine import periods
from slo_engine.status import Reading, iso
from storage.status_blocks import Coded


def exhausted_at(reading: Reading, end: int) -> dict[str, str | None]:
    """Window → RFC 3339 time, or None. `end`: the evaluated minute's edge, Unix seconds.

    With a calendar the rest is that of the whole period, by its own estimate; what lasts to the period's end is None.
    """
    slo = reading.formula.slo
    remaining, length, within = reading.period.remaining, float(slo.window_seconds), None
    if slo.calendar is not None:
        period = periods.fields(slo, reading.period, end)
        if period:
            length, within = period["end"] - period["start"], period["end"] - end
        remaining = period.get("budget_remaining_estimate")
    return {
        render(window): _time(end, seconds_left(remaining, spent.rate, length, within))
        for window, spent in sorted(reading.windows.items())
    }


def exhausted_at_of(remaining: Floats, burns: Mapping[str, Floats], period: float, end: int) -> dict[str, Coded | None]:
    """The same of many groups with a rolling window, as columns; None where it is None for all of them."""
    return {window: _column(end + seconds_left_of(remaining, burn, period)) for window, burn in burns.items()}


def _time(end: int, left: float | None) -> str | None:
    return None if left is None else iso(float(int(end + left)))


def _column(times: Floats) -> Coded | None:
    known = ~np.isnan(times)
    if not known.any():
        return None
    distinct, codes = np.unique(np.where(known, times, -1.0).astype(np.int64), return_inverse=True)
    return Coded([None if at < 0 else iso(float(at)) for at in distinct.tolist()], codes)
