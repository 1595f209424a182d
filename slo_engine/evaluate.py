"""One evaluation of one SLO's groups at a minute's edge: burn by window, and how each severity stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from core.measures import Group
from slo_engine.book import Account
from slo_engine.burn import Revision, Spent, budget_of, period_of, spent
from slo_engine.compile import Formula
from slo_engine.conditions import Level
from slo_engine.specs.model import EventRatio, Latency, QueryRatio, Slo, SumRatio
from slo_engine.status import Reading, Reset
from slo_engine.windows import BurnPolicy, BurnRow, policy_for

_ONE_PERCENT = Fraction(1, 100)

MIN_BAD_EVENTS = 5
"""A page or ticket over events needs this many bad ones in its long window: at 99 % a single failure among six requests
an hour already burns 14.4 times too fast, and one unlucky request must wake nobody."""


SUSPECTS = 10
"""Groups that an alert's evidence names."""


class Stand(NamedTuple):
    """How a severity stands: its level, the row that decided, and the coverage of the recent past."""

    level: Level
    row: BurnRow | None
    coverage: float | None


def policy_of(formula: Formula) -> BurnPolicy:
    """The burn table of an SLO; a ratio of sums has no share of good events and takes the table of 99 %."""
    slo = formula.slo
    objective = slo.objective_exact if not isinstance(slo.indicator, SumRatio) else 1 - _ONE_PERCENT
    return policy_for(objective, slo.window_seconds)


def read_group(
    formula: Formula,
    group: Group,
    account: Account,
    end: int,
    policy: BurnPolicy,
    revisions: Sequence[Revision],
    reset: Reset | None = None,
) -> Reading:
    """Sum the period and every window of the policy, all ending at `end`. A reset cuts the period alone: how fast the
    budget burns now is what it was."""
    windows = sorted({w for row in policy.rows for w in (row.long, row.short)})
    burns = {window: spent(formula, account, window, end, revisions) for window in windows}
    period = period_of(formula, account, end, revisions, None if reset is None else reset.at)
    return Reading(formula, group, period, burns, account.since(), frozenset(account.cuts), reset)


def stand(reading: Reading, policy: BurnPolicy, severity: str) -> Stand:
    """The worst level over the rows of one severity."""
    rows = [row for row in policy.rows if row.severity == severity]
    coverage = reading.windows[min(row.short for row in rows)].counts.coverage if rows else None
    levels = [(_level(reading, row), row) for row in rows]
    for wanted in (Level.ABOVE, Level.SHORT_ONLY):
        hit = next((row for level, row in levels if level is wanted), None)
        if hit is not None:
            return Stand(wanted, hit, coverage)
    unknown = any(level is Level.UNKNOWN for level, _ in levels)
    return Stand(Level.UNKNOWN if unknown else Level.BELOW, None, coverage)


def _level(reading: Reading, row: BurnRow) -> Level:
    short, long = reading.windows[row.short], reading.windows[row.long]
    if not short.known:
        return Level.UNKNOWN
    if not _above(short, row):
        return Level.BELOW if short.counts.total or short.counts.covered else Level.UNKNOWN
    if _above(long, row) and _enough(reading.formula, long):
        return Level.ABOVE
    return Level.SHORT_ONLY


def _above(window: Spent, row: BurnRow) -> bool:
    """Strictly above, compared without rounding."""
    return bool(window.allowed) and window.bad > row.factor * window.allowed


def _enough(formula: Formula, long: Spent) -> bool:
    events = isinstance(formula.slo.indicator, EventRatio | QueryRatio | Latency)
    return not events or long.bad >= MIN_BAD_EVENTS


def suspects(readings: Iterable[Reading], window: int, group: Group) -> list[dict[str, object]]:
    """Groups of the same SLO by their share of bad events in one window, worst first: who stands out."""
    found = []
    for reading in readings:
        one = reading.windows.get(window)
        if one is not None and one.counts.total:
            found.append(
                {
                    "group": dict(reading.group),
                    "bad": one.bad,
                    "total": one.counts.total,
                    "bad_share": one.bad / one.counts.total,
                    "this": reading.group == group,
                }
            )
    return sorted(found, key=lambda s: -float(str(s["bad_share"])))[:SUSPECTS]


def severities(slo: Slo) -> tuple[str, ...]:
    """What an SLO alerts with: page, ticket, both or neither."""
    return (*(("page",) if slo.alerting.page else ()), *(("ticket",) if slo.alerting.ticket else ()))


def default_revisions(formula: Formula) -> tuple[Revision, ...]:
    """One revision since ever: the objective as it stands in the file."""
    return (Revision(0.0, budget_of(formula)),)


def revisions_of(formula: Formula, stored: Mapping[str, Sequence[Revision]]) -> Sequence[Revision]:
    """The revisions in force over time, oldest first."""
    return stored.get(formula.slo.name) or default_revisions(formula)
