"""Alerts where events are few: the evidence that a budget burns too fast, in place of a rate over one window.

A row of a burn table is about a rate. Where its long window would hold few bad events at the row's own threshold, one
failure more or less decides, and the e-detector of `core.statistics.breach` stands in its place, against the same
factor. docs/low-traffic.md has the formulas and the promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from core.buckets import FIVE_MINUTES, start_of
from core.durations import DAY, HOUR
from core.statistics.breach import HOLD, Steps, at_least, weigh
from slo_engine.book import Account
from slo_engine.burn import BLURRED, Revision, Spent, bad_of_each, in_force
from slo_engine.compile import Formula
from slo_engine.conditions import Level
from slo_engine.sheet import Sheet, times
from slo_engine.specs.model import EventRatio, Latency, QueryRatio
from slo_engine.status import Finding, Reading
from slo_engine.windows import BurnPolicy, BurnRow

ENOUGH = {"page": 10, "ticket": 100}
"""A row decides over events where its threshold stands for this many bad ones in its long window, or more.

With fewer, its rate is carried by chance: docs/alerting-evidence.md has the precision and the recall of both ways.
"""
MIN_BAD_EVENTS = 5
"""What a rule that has no detector waits for: PromQL rules, and tickets over samples."""
STEP = FIVE_MINUTES.width
"""Seconds. A breach is looked for from each step on; of the bad events of one step only two count."""
BLOCK = 36 * HOUR
"""Steps are read from the beginning of the block (UTC) before the present one: 36 to 72 hours."""
FALSE_ALERT_AFTER = {"page": 360 * DAY, "ticket": 90 * DAY}
"""Over all groups of an SLO, whose budgets burn no faster than the factor: seconds to a false alert, or more."""
_TWO = 2
"""One step with bad events is one unlucky request, whatever the numbers say."""


def few(formula: Formula, window: Spent, row: BurnRow) -> bool:
    """Whether a row's long window holds too few events for the row itself to decide."""
    return has_events(formula) and row.factor * window.allowed < ENOUGH[row.severity]


def active(readings: Sequence[Reading]) -> int:
    """The groups of one SLO with events in their longest window: those that could give a false alert."""
    return sum(1 for one in readings if one.windows and one.windows[max(one.windows)].counts.total)


def with_finding(
    reading: Reading, account: Account, policy: BurnPolicy, revisions: Sequence[Revision], end: int, groups: int
) -> Reading:
    """The same of one group, where `groups` of its SLO had events in the longest window."""
    return reading._replace(findings=_findings(reading, account, policy, revisions, end, max(1, groups)))


def in_sight(formula: Formula, sheet: Sheet, policy: BurnPolicy) -> npt.NDArray[np.bool_]:
    """The groups with few events and a bad one in sight, of which the detector has something to say."""
    found = np.zeros(len(sheet.period.bad), bool)
    if not has_events(formula):
        return found
    for row in policy.rows:
        window, recent = sheet.windows[row.long], sheet.windows[_longest(policy, row.severity)]
        enough = ENOUGH[row.severity] * window.scale * row.factor.denominator
        found |= (times(window.allowed, row.factor.numerator) < enough).astype(bool) & (recent.bad > 0)
    return found


def has_events(formula: Formula) -> bool:
    """Whether what is good or bad comes one by one; minutes and target-seconds do not."""
    indicator = formula.slo.indicator
    if isinstance(indicator, QueryRatio):
        return not indicator.minutes
    return isinstance(indicator, EventRatio | Latency)


def threshold(severity: str, groups: int) -> float:
    """The evidence that alerts: as many steps as pass until a false alert may, times the groups that could give one."""
    return float(groups * FALSE_ALERT_AFTER[severity] / STEP)


def level_of(value: float, limit: float) -> Level:
    """How evidence stands to its threshold; pending is within a factor of `HOLD` of it."""
    if value >= limit:
        return Level.ABOVE
    return Level.SHORT_ONLY if value * HOLD >= limit else Level.BELOW


def first_step(end: int) -> int:
    """The beginning of the steps that are read at a minute's edge (Unix seconds)."""
    return start_of(end - 1, BLOCK) - BLOCK


def _findings(
    reading: Reading,
    account: Account,
    policy: BurnPolicy,
    revisions: Sequence[Revision],
    end: int,
    groups: int,
) -> Mapping[str, Finding]:
    found = dict(_undecided(reading, policy, groups))
    # Without a bad event in its longest window a severity is below, whatever happened before.
    awake = [severity for severity in found if reading.windows[_longest(policy, severity)].bad]
    if awake:
        begin = first_step(end)
        counts = _counts(reading.formula, account, begin, end)
        for severity in awake:
            factor = max(Fraction(1), found[severity].row.factor)  # under 1 it would alert while the promise is kept
            steps = Steps.of(*counts, _limits(begin, end, factor, revisions))
            found[severity] = _weigh(found[severity], begin, steps, float(factor))
    return found


def _undecided(reading: Reading, policy: BurnPolicy, groups: int) -> Iterator[tuple[str, Finding]]:
    """For each severity with too few events in the window of a row: the slowest such row, and no evidence yet."""
    alerting = reading.formula.slo.alerting
    for severity in [name for name, wanted in (("page", alerting.page), ("ticket", alerting.ticket)) if wanted]:
        rows = [row for row in policy.rows if row.severity == severity]
        weak = [row for row in rows if few(reading.formula, reading.windows[row.long], row)]
        if weak:
            slowest = min(weak, key=lambda row: row.factor)
            yield severity, Finding(Level.BELOW, slowest, 0.0, threshold(severity, groups), groups)


def _longest(policy: BurnPolicy, severity: str) -> int:
    return max(row.long for row in policy.rows if row.severity == severity)


def _weigh(blank: Finding, begin: int, steps: Steps, factor: float) -> Finding:
    failed = np.flatnonzero(steps.bad)
    if len(failed) < _TWO:
        start = int(failed[0]) if len(failed) else 0
        bad, good = int(steps.bad[start:].sum()), int(steps.good[start:].sum())
        return blank._replace(since=begin + start * STEP, bad=bad, total=bad + good)
    evidence = weigh(steps, blank.threshold)
    level = level_of(evidence.value, blank.threshold)
    multiple = at_least(steps, blank.threshold) if level is Level.ABOVE else None
    return blank._replace(
        level=level,
        value=evidence.value,
        since=begin + evidence.start * STEP,
        bad=evidence.bad,
        total=evidence.total,
        burn_at_least=None if multiple is None else multiple * factor,
    )


def _counts(
    formula: Formula, account: Account, begin: int, end: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bad and all events by step; none of a step that cannot say when within it, or the gap it ends, they happened."""
    rows = account.steps(begin, end, STEP)
    bad, total = bad_of_each(formula, rows)
    covered, spread = rows[:, 3], rows[:, 4]
    placed = spread <= BLURRED * np.maximum(covered, 1)
    total = np.where(placed, np.maximum(total, 0), 0)
    return np.clip(bad, 0, total), total


def _limits(begin: int, end: int, factor: Fraction, revisions: Sequence[Revision]) -> npt.NDArray[np.float64]:
    """The share of bad events that a burn rate of `factor` stands for, by step, under the objective then in force."""
    starts = np.arange(begin, end, STEP)
    limits = np.empty(len(starts))
    for since, budget in in_force(begin, end, revisions):
        limits[starts >= since] = min(0.99, float(factor * budget))
    return limits
