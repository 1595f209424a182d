"""When a sample opens a ticket, and when it closes one.

The long window brings the evidence: the near edge of its interval, not its rate, has to burn faster than the row's
factor. The short window says whether it still goes on; for that its rate is enough, since it claims nothing alone, and
its own near edge would take many times the verdicts that two hours of a sample hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from slo_engine.conditions import Level
from slo_engine.evaluate import Stand
from slo_engine.low_traffic import MIN_BAD_EVENTS
from slo_engine.quality.reading import Reading, Sample
from slo_engine.windows import BurnPolicy, BurnRow


class _Case(NamedTuple):
    level: Level
    row: BurnRow
    coverage: float | None


def stand(reading: Reading, policy: BurnPolicy) -> Stand:
    """How the ticket stands: the worst level over its rows; its coverage is that of the window that says it is calm."""
    cases = [_judge(reading, row) for row in policy.rows if row.severity == "ticket"]
    for wanted in (Level.ABOVE, Level.SHORT_ONLY, Level.UNKNOWN):
        hit = next((case for case in cases if case.level is wanted), None)
        if hit is not None:
            return Stand(wanted, None if wanted is Level.UNKNOWN else hit.row, hit.coverage)
    return Stand(Level.BELOW, None, _least(case.coverage for case in cases))


def gone(reading: Reading, policy: BurnPolicy) -> bool:
    """Whether nothing was generated in the group for the shortest long window: its traffic is not silent, but over."""
    longs = [row.long for row in policy.rows if row.severity == "ticket"]
    if not longs:
        return False
    day = min(longs)
    return not (reading.made[day] or reading.drawn[day] or reading.windows[day].judged)


def enough(limit: Fraction) -> int:
    """Verdicts of which none flagged says, with 95 %, that the rate is under a limit: the rule of three."""
    return ceil(3 / limit)


def near_burn(reading: Reading, sample: Sample) -> float | None:
    """The burn rate of a window at the near edge of its interval; None where nothing was judged."""
    low = sample.estimate.low
    return None if low is None else low / float(reading.formula.slo.budget)


def _judge(reading: Reading, row: BurnRow) -> _Case:
    long, short = reading.windows[row.long], reading.windows[row.short]
    limit = row.factor * reading.formula.slo.budget
    if not long.judged:
        return _Case(Level.UNKNOWN, row, None)
    if _above(short.estimate.rate, limit):
        if _above(long.estimate.low, limit) and long.flagged >= MIN_BAD_EVENTS:
            return _Case(Level.ABOVE, row, long.estimate.coverage)
        if _above(short.estimate.low, limit):
            return _Case(Level.SHORT_ONLY, row, short.estimate.coverage)
    return _calm(long, short, limit, row)


def _calm(long: Sample, short: Sample, limit: Fraction, row: BurnRow) -> _Case:
    """Calm: the short window was judged often enough to show it, or the long one shows nothing any more."""
    if not _above(short.estimate.rate, limit) and short.judged >= enough(limit):
        return _Case(Level.BELOW, row, short.estimate.coverage)
    if not _above(long.estimate.low, limit):
        return _Case(Level.BELOW, row, long.estimate.coverage)
    return _Case(Level.UNKNOWN, row, short.estimate.coverage)


def _above(share: float | None, limit: Fraction) -> bool:
    return share is not None and Fraction(share) > limit


def _least(coverages: Iterable[float | None]) -> float | None:
    found = list(coverages)
    known = [one for one in found if one is not None]
    return min(known) if found and len(known) == len(found) else None
