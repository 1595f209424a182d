"""One evaluation of one SLO's groups at a minute's edge: burn by window, and how each severity stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from core.measures import Group
from slo_engine.book import Account
from slo_engine.burn import Revision, Spent, budget_of, spent
from slo_engine.compile import Formula
from slo_engine.conditions import Level
from slo_engine.groups import formula_of
from slo_engine.low_traffic import active, few, with_finding
from slo_engine.periods import period_of
from slo_engine.specs.model import Composite, Slo, SumRatio, TimeSlices
from slo_engine.status import Finding, Reading, Reset
from slo_engine.windows import BurnPolicy, BurnRow, in_steps, policy_for

_ONE_PERCENT = Fraction(1, 100)


SUSPECTS = 10
"""Groups that an alert's evidence names."""


class Stand(NamedTuple):
    """How a severity stands: its level, the row that decided, and the coverage of the recent past.

    `finding`: the evidence, where events are too few for rows and the detector decided.
    """

    level: Level
    row: BurnRow | None
    coverage: float | None
    finding: Finding | None = None

    @property
    def hold(self) -> float:
        """Seconds for which the row must be so."""
        return float(self.row.hold) if self.row else 0.0


def policy_of(formula: Formula) -> BurnPolicy:
    """The conditions of an SLO, or its burn table; a ratio of sums has no share of good events: the table of 99 %.

    Over time slices each window holds whole ones.
    """
    slo = formula.slo
    policy = _own_policy(slo) or policy_for(_table_of(slo), slo.window_seconds)
    return in_steps(policy, slo.indicator.seconds) if isinstance(slo.indicator, TimeSlices) else policy


def _table_of(slo: Slo) -> Fraction:
    """The target whose burn table holds; of a composite the lowest, since each component alone must reach a factor."""
    if isinstance(slo.indicator, Composite):
        return min(part.objective for part in slo.indicator.parts)
    return 1 - _ONE_PERCENT if isinstance(slo.indicator, SumRatio) else slo.objective_exact


def _own_policy(slo: Slo) -> BurnPolicy | None:
    """The conditions of the SLO's alert policies; what asks for less time comes first. None where it has none."""
    own = sorted((one for one in slo.conditions if one.breaching), key=lambda one: (one.hold, one.window))
    rows = (
        BurnRow(
            one.severity,
            one.window,
            one.window,
            one.factor,
            one.factor * one.window / slo.window_seconds,
            one.inclusive,
            one.hold,
        )
        for one in own
    )
    return BurnPolicy(tuple(rows)) if own else None


def read_group(
    formula: Formula,
    group: Group,
    account: Account,
    end: int,
    policy: BurnPolicy,
    revisions: Sequence[Revision],
    reset: Reset | None = None,
) -> Reading:
    """Sum the period and every window, all ending at `end`. `formula` and `policy` are those of the group.

    A reset cuts the period alone: how fast the budget burns now is what it was.
    """
    revisions = [revision.of(group) for revision in revisions]
    windows = sorted({w for row in policy.rows for w in (row.long, row.short)})
    burns = {window: spent(formula, account, window, end, revisions) for window in windows}
    period = period_of(formula, account, end, revisions, None if reset is None else reset.at)
    return Reading(formula, group, period, burns, account.since(), frozenset(account.cuts), reset=reset)


def read_groups(
    formula: Formula, accounts: Mapping[Group, Account], end: int, policy: BurnPolicy, revisions: Sequence[Revision]
) -> list[Reading]:
    """Read every group of an SLO at a minute's edge, and weigh the evidence where events are few.

    `policy` is that of the SLO; a group with a target of its own has its own.
    """
    readings = []
    for group, own in sorted(accounts.items()):
        of_group = formula_of(formula, group)
        table = policy if of_group is formula else policy_of(of_group)
        readings.append(read_group(of_group, group, own, end, table, revisions))
    groups = active(readings)
    return [weighed(one, accounts[one.group], end, revisions, groups, formula, policy) for one in readings]


def weighed(
    reading: Reading,
    account: Account,
    end: int,
    revisions: Sequence[Revision],
    groups: int,
    formula: Formula,
    policy: BurnPolicy,
) -> Reading:
    """A reading with what the detector finds; `formula` and `policy` are those of the SLO."""
    table = policy if reading.formula is formula else policy_of(reading.formula)
    return with_finding(reading, account, table, [one.of(reading.group) for one in revisions], end, groups)


def stand(reading: Reading, policy: BurnPolicy, severity: str) -> Stand:
    """The worst level over the rows of one severity."""
    rows = [row for row in policy.rows if row.severity == severity]
    coverage = reading.windows[min(row.short for row in rows)].counts.coverage if rows else None
    levels = [(_level(reading, row), row) for row in rows]
    for wanted in (Level.ABOVE, Level.SHORT_ONLY):
        hit = next((row for level, row in levels if level is wanted), None)
        if hit is not None:
            decided = _finding(reading, hit)
            return Stand(wanted, decided.row if decided else hit, coverage, decided)
    unknown = any(level is Level.UNKNOWN for level, _ in levels)
    return Stand(Level.UNKNOWN if unknown else Level.BELOW, None, coverage, reading.findings.get(severity))


def _level(reading: Reading, row: BurnRow) -> Level:
    short, long = reading.windows[row.short], reading.windows[row.long]
    if not short.known:
        return Level.UNKNOWN
    finding = _finding(reading, row)
    if finding is None and _above(short, row):
        return Level.ABOVE if _above(long, row) else Level.SHORT_ONLY
    if finding is not None and finding.level is not Level.BELOW:
        return finding.level
    return Level.BELOW if short.counts.total or short.counts.covered else Level.UNKNOWN


def _above(window: Spent, row: BurnRow) -> bool:
    """Strictly above (at it, if the row says so), compared without rounding."""
    limit = row.factor * window.allowed
    return bool(window.allowed) and (window.bad > limit or (row.inclusive and window.bad == limit))


def _finding(reading: Reading, row: BurnRow) -> Finding | None:
    """What the detector says in the row's place, where the row's long window holds too few events."""
    found = reading.findings.get(row.severity)
    return found if found is not None and few(reading.formula, reading.windows[row.long], row) else None


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
    return (Revision(0.0, budget_of(formula), formula.slo.overrides),)


def revisions_of(formula: Formula, stored: Mapping[str, Sequence[Revision]]) -> Sequence[Revision]:
    """The revisions in force over time, oldest first."""
    return stored.get(formula.slo.name) or default_revisions(formula)
