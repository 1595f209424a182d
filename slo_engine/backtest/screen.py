"""Which moments cannot change an alert that is at rest: those in which no short window burns faster than its factor.

An alert at rest moves only where the short window of a row is above its factor (`evaluate.stand`, `conditions.decide`).
Sums of all short windows at once say where that may be; there the engine's own functions are asked. What is found may
be too much, and is never too little: factors are compared with a margin, the smallest budget of all revisions counts,
and windows whose buckets do not add up to the wider ones are always looked at.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from core.buckets import HOURS, MINUTES
from slo_engine.backtest.running import Bools, Running
from slo_engine.backtest.zones import Zone
from slo_engine.book import KEEP, Account
from slo_engine.compile import PART, TOTAL, Formula
from slo_engine.windows import BurnPolicy

_MARGIN = 1 - 1e-9
_LONGEST = KEEP[MINUTES.width] - HOURS.width
"""Short windows up to here are read by the minute at both ends."""


def suspects(formula: Formula, account: Account, zone: Zone, policy: BurnPolicy, least_budget: Fraction) -> Bools:
    """For each end of the zone whether a short window may be above its factor. `policy`: widened to the zone."""
    ends = np.asarray(zone.ends, np.int64)
    shorts = {row.short: float(row.factor) for row in sorted(policy.rows, key=lambda row: -row.factor)}
    if not len(ends) or not shorts or max(shorts) > _LONGEST:
        return np.ones(len(ends), np.bool_)
    sums = Running(account, zone.width, int(ends[0]) - max(shorts), int(ends[-1]), (PART, TOTAL))
    found = np.zeros(len(ends), np.bool_)
    for short, factor in shorts.items():
        part, total = sums.between(ends - short, ends).T
        bad = total - part if formula.part_is_good else part
        found |= (bad > 0) & (bad > factor * float(least_budget) * total * _MARGIN)
        found |= sums.uneven(ends - short)
    return found
