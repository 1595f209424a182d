"""At which moments the detector for few events may move an alert that is at rest.

Its evidence grows with a bad event, and is asked for where a row begins to hold too few events. In between it falls, or
grows by less than one for each step: a lane whose evidence is near its threshold is asked at every moment
(`is_near`). As in `screen`, what is found may be too much.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from core.statistics.breach import HOLD
from slo_engine.backtest.quick import edges
from slo_engine.backtest.running import Bools, Ints, Running
from slo_engine.backtest.zones import Zone
from slo_engine.book import Account
from slo_engine.compile import PART, TOTAL, Formula
from slo_engine.low_traffic import ENOUGH, STEP, has_events
from slo_engine.status import Reading
from slo_engine.windows import BurnPolicy

_MARGIN = 1e-9
_RECENT = 3 * STEP
_NEAR = 2 * HOLD
"""A share of the threshold from which on evidence that only creeps could still reach the first level."""


class Sight(NamedTuple):
    """For each end of a zone: whether the group had events in the longest window, and whether it has to be asked."""

    events: Bools
    due: Bools


def sight(
    formula: Formula, account: Account, zone: Zone, policy: BurnPolicy, budgets: tuple[Fraction, Fraction]
) -> Sight:
    """`budgets`: the smallest and the largest that were ever in force. `policy`: widened to the zone."""
    ends = np.asarray(zone.ends, np.int64)
    longest = max((row.long for row in policy.rows), default=0)
    if not len(ends) or not longest:
        return Sight(np.zeros(len(ends), np.bool_), np.zeros(len(ends), np.bool_))
    sums = Running(account, zone.width, int(ends[0]) - longest, int(ends[-1]), (PART, TOTAL))
    events = _window(sums, ends, longest, zone.width)[1] > 0
    if not has_events(formula) or zone.width > STEP:
        return Sight(events, np.zeros(len(ends), np.bool_))
    bad = {
        severity: _bad(formula, _window(sums, ends, window, zone.width)) > 0
        for severity, window in _longest(policy).items()
    }
    recent = _bad(formula, _window(sums, ends, min(_RECENT, longest), zone.width)) > 0
    due = sums.uneven(edges(ends - longest, longest, zone.width))
    for row in policy.rows:
        total = _window(sums, ends, row.long, zone.width)[1]
        limit = ENOUGH[row.severity] / float(row.factor)
        possible = float(budgets[0]) * total < limit * (1 + _MARGIN)
        certain = float(budgets[1]) * total < limit * (1 - _MARGIN)
        began = possible & ~np.append(False, certain[:-1])
        due |= possible & bad[row.severity] & (recent | began)
    return Sight(events, due)


def is_near(reading: Reading) -> bool:
    """Whether evidence may reach a level without another bad event."""
    return any(one.value * _NEAR >= one.threshold for one in reading.findings.values())


def _longest(policy: BurnPolicy) -> dict[str, int]:
    """The longest window of each severity."""
    found: dict[str, int] = {}
    for row in policy.rows:
        found[row.severity] = max(found.get(row.severity, 0), row.long)
    return found


def _window(sums: Running, ends: Ints, window: int, width: int) -> tuple[Ints, Ints]:
    part, total = sums.between(edges(ends - window, window, width), ends).T
    return part, total


def _bad(formula: Formula, counts: tuple[Ints, Ints]) -> Ints:
    part, total = counts
    return total - part if formula.part_is_good else part
