"""The workbook's approaches against a step of errors: detection, reset and budget, simulated and in closed form.

Steady traffic, no errors before, an outage of `OUTAGE` seconds. The first five approaches are simulated second by
second; the sixth is the engine's own code, which decides at whole minutes and ends an alert at the second one below.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.alerting.approaches import PERIOD, WORKBOOK, Approach, Row
from bench.alerting.engine import account_of, run
from core.durations import DAY, HOUR, MINUTE

OBJECTIVE = Fraction("0.999")
RATIOS = tuple(Fraction(text) for text in ("1", "0.15", "0.05", "0.01", "0.002"))
BEFORE, OUTAGE, AFTER = 3 * DAY, 3 * DAY, 3 * DAY + HOUR
_SECOND, _EACH = 1, 1000
"""Requests of each second."""
_BUDGET = 1 - OBJECTIVE
_BEGIN = 1_767_571_200 + BEFORE
_END = _BEGIN + OUTAGE


class Times(NamedTuple):
    """Seconds from the outage's beginning to the alert, and from its end to the alert's; None where it never fires."""

    detection: float | None
    reset: float | None

    def spent(self, ratio: Fraction) -> float | None:
        """The share of the period's budget that is spent at detection."""
        return None if self.detection is None else float(ratio / _BUDGET) * self.detection / PERIOD


class Case(NamedTuple):
    """One approach and severity at one error ratio."""

    approach: Approach
    severity: str
    ratio: Fraction

    @property
    def step(self) -> int:
        """Seconds between evaluations."""
        return MINUTE if self.approach is WORKBOOK[-1] else _SECOND


def cases() -> list[Case]:
    """Every approach of the workbook, at every error ratio."""
    return [
        Case(approach, severity, ratio)
        for approach in WORKBOOK
        for severity in ("page", "ticket")
        for ratio in RATIOS
        if approach.rows(severity)
    ]


def closed_form(case: Case) -> Times:
    """When a window of W seconds has f × B × W bad ones: f·B·W ÷ e after the beginning, W − f·B·W ÷ e after the end."""
    found = [_row_times(row, case.ratio) for row in case.approach.rows(case.severity)]
    fired = [one for one in found if one is not None]
    if not fired:
        return Times(None, None)
    return Times(min(float(begin) for begin, _ in fired), max(float(end) for _, end in fired))


def _row_times(row: Row, ratio: Fraction) -> tuple[Fraction, Fraction] | None:
    limit = row.burn * _BUDGET
    if ratio < limit or (ratio == limit and not row.reached):
        return None
    windows = [minutes * MINUTE for minutes in (row.long, row.short) if minutes]
    shares = [limit * window / ratio for window in windows]
    return max(shares) + row.hold * MINUTE, min(w - s for w, s in zip(windows, shares, strict=True))


def simulated(case: Case) -> Times:
    """The same by evaluating the rule at every step."""
    return _by_engine(case) if case.step == MINUTE else _by_seconds(case)


def _by_seconds(case: Case) -> Times:
    clock = BEFORE + OUTAGE + AFTER
    bad = np.zeros(clock + 1, np.int64)
    bad[BEFORE + 1 : BEFORE + OUTAGE + 1] = int(case.ratio * _EACH)
    sums = np.cumsum(bad)
    rows = [_row_holds(row, sums) for row in case.approach.rows(case.severity)]
    firing = np.logical_or.reduce(rows)
    during, after = firing[BEFORE + 1 : BEFORE + OUTAGE + 1], firing[BEFORE + OUTAGE :]
    if not during.any():
        return Times(None, None)
    return Times(float(during.argmax() + 1), float(after.argmin()))


def _row_holds(row: Row, sums: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    above = np.ones(len(sums), bool)
    for minutes in (row.long, row.short):
        if minutes:
            window = minutes * MINUTE
            bad = sums.copy()
            bad[window:] -= sums[:-window]
            limit = row.burn * _BUDGET * _EACH * window
            above &= bad >= limit if row.reached else bad > limit
    if not row.hold:
        return above
    since = np.maximum.accumulate(np.where(above, 0, np.arange(len(above))))
    held: npt.NDArray[np.bool_] = np.arange(len(above)) - since > row.hold * MINUTE
    return held


def _by_engine(case: Case) -> Times:
    """Minutes between the last one that can be the first to fire and the outage's end are skipped: it goes on."""
    ends, looks = _engine_fires(case.ratio)[case.severity], _looks()
    if not ends:
        return Times(None, None)
    place = {look: at for at, look in enumerate(looks)}
    assert all(place[b] - place[a] == 1 for a, b in pairwise(ends)), "an outage is one alert"
    return Times(ends[0] - _BEGIN, looks[place[ends[-1]] + 1] - _END)


def _looks() -> list[int]:
    return [*range(_BEGIN + MINUTE, _BEGIN + 37 * HOUR, MINUTE), *range(_END - MINUTE, _END + 7 * HOUR, MINUTE)]


@cache
def _engine_fires(ratio: Fraction) -> dict[str, list[int]]:
    minutes = np.zeros((BEFORE + OUTAGE + AFTER) // MINUTE, np.int64)
    minutes[BEFORE // MINUTE : (BEFORE + OUTAGE) // MINUTE] = int(ratio * _EACH * MINUTE)
    account = account_of(minutes, np.full_like(minutes, _EACH * MINUTE), _BEGIN - BEFORE)
    fires: dict[str, list[int]] = {"page": [], "ticket": []}
    for minute, severity in run(OBJECTIVE, account, _looks()):
        fires[severity].append(minute)
    return fires
