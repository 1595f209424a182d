"""The rules over many months at once, minute by minute; a test holds Burnline's to the engine's own code."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.alerting.approaches import Approach, Few, Row
from core.durations import MINUTE
from core.statistics.breach import BREACHES, advance, gains, value
from slo_engine.low_traffic import BLOCK, ENOUGH, MIN_BAD_EVENTS, STEP, threshold

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

_MINUTES = STEP // MINUTE
_STEPS = BLOCK // STEP


class Months(NamedTuple):
    """Bad and all events by month and minute, arrays of shape (months, minutes); the first minute begins a `BLOCK`."""

    bad: Ints
    total: Ints


class Sums:
    """Sums over windows that end with each minute; what lies before the first minute counts nothing."""

    def __init__(self, months: Months) -> None:
        self._sums = [np.cumsum(part, axis=1, dtype=np.int32) for part in months]

    def over(self, minutes: int) -> tuple[Ints, Ints]:
        """Bad and all events of the window of so many minutes, at each minute's end."""
        bad, total = (_window(sums, minutes) for sums in self._sums)
        return bad, total


class Rules:
    """Which alerts fire when, over the same months and for one target."""

    def __init__(self, months: Months, objective: Fraction, groups: int = 1) -> None:
        self._months = months
        self._budget = 1 - objective
        self._groups = groups
        self._sums = Sums(months)
        self._evidence: dict[tuple[str, Fraction], Bools] = {}

    def firing(self, approach: Approach, severity: str) -> Bools:
        """Whether the alert fires at each minute's end, of shape (months, minutes)."""
        above = np.zeros(self._months.bad.shape, bool)
        few = []
        for row in approach.rows(severity):
            holds = self._holds(row)
            if approach.few is Few.GUARD:
                holds &= self._sums.over(row.long)[0] >= MIN_BAD_EVENTS
            if approach.few is Few.DETECTOR:
                few.append((row, self._few(row, severity)))
                holds &= ~few[-1][1]
            above |= holds
        if few:
            above |= self._detected(few, severity)
        return _calmed(above, approach.calm)

    def _holds(self, row: Row) -> Bools:
        above = self._above(row, row.long)
        if row.short is not None:
            above &= self._above(row, row.short)
        return _held(above, row.hold)

    def _above(self, row: Row, minutes: int) -> Bools:
        bad, total = self._sums.over(minutes)
        limit = row.burn * self._budget
        left, right = bad.astype(np.int64) * limit.denominator, total.astype(np.int64) * limit.numerator
        return (left >= right) & (total > 0) if row.reached else left > right

    def _few(self, row: Row, severity: str) -> Bools:
        limit = row.burn * self._budget
        found: Bools = self._sums.over(row.long)[1].astype(np.int64) * limit.numerator < (
            ENOUGH[severity] * limit.denominator
        )
        return found

    def _detected(self, few: list[tuple[Row, Bools]], severity: str) -> Bools:
        """Of the rows with few events the slowest burn counts."""
        found = np.zeros(self._months.bad.shape, bool)
        decided = np.zeros_like(found)
        for row, here in sorted(few, key=lambda one: one[0].burn):
            mine = here & ~decided
            if mine.any():
                found |= mine & self._shown(severity, max(Fraction(1), row.burn))
            decided |= here
        recent = max(row.long for row, _ in few)
        return found & (self._sums.over(recent)[0] > 0)

    def _shown(self, severity: str, burn: Fraction) -> Bools:
        """Where the evidence reaches its threshold, and rests on two steps with bad events or more."""
        key = (severity, burn)
        if key not in self._evidence:
            limit = threshold(severity, self._groups)
            self._evidence[key] = evidence(self._months, float(burn * self._budget), limit) >= limit
            self._evidence[key] &= _bad_steps(self._months.bad) >= 2
        return self._evidence[key]


def evidence(months: Months, limit: float, alarm: float) -> Floats:
    """The e-detector's value at each minute's end, from the block before the present one on."""
    found = np.empty(months.bad.shape, np.float64)
    counts = months.bad, months.total - months.bad
    gain = gains(np.array([[limit]]))
    older, newer = (np.zeros((len(BREACHES), len(found), 1)) for _ in range(2))
    for step in range(found.shape[1] // _MINUTES):
        if step % _STEPS == 0:
            older, newer = newer, np.zeros_like(newer)
        span = slice(step * _MINUTES, (step + 1) * _MINUTES)
        bad, good = (np.cumsum(part[:, span], axis=1) for part in counts)
        looks = advance(older, bad, good, gain, alarm)
        found[:, span] = value(looks)
        older, newer = looks[:, :, -1:], advance(newer, bad[:, -1:], good[:, -1:], gain, alarm)
    return found


def _bad_steps(bad: Ints) -> Ints:
    """Steps with bad events, from the block before the present one on to each minute's end."""
    steps = bad.reshape(len(bad), -1, _MINUTES)
    whole = np.cumsum(steps.any(axis=2), axis=1, dtype=np.int32) - steps.any(axis=2)
    begun = np.logical_or.accumulate(steps, axis=2)
    first = np.maximum(0, (np.arange(whole.shape[1]) // _STEPS - 1) * _STEPS)
    return ((whole - whole[:, first])[:, :, None] + begun).reshape(bad.shape)


def _window(sums: Ints, minutes: int) -> Ints:
    found = sums.copy()
    found[:, minutes:] -= sums[:, :-minutes]
    return found


def _held(above: Bools, minutes: int) -> Bools:
    """True where a condition has been true for so many minutes."""
    if not minutes:
        return above
    true = _window(np.cumsum(above, axis=1, dtype=np.int32), minutes + 1)
    found: Bools = true == minutes + 1
    return found


def _calmed(above: Bools, calm: int) -> Bools:
    """An alert fires on until so many evaluations in a row were below."""
    firing = above.copy()
    for back in range(1, calm):
        firing[:, back:] |= above[:, :-back]
    return firing
