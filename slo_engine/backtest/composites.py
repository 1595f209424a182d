"""Composites on their way through time: judged at every moment, out of the accounts of their components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.measures import Group
from slo_engine.backtest.lane import Course
from slo_engine.book import Account
from slo_engine.burn import Revision
from slo_engine.compile import Formula, signals_of
from slo_engine.composites.mix import Mixed
from slo_engine.composites.read import Members, Source, groups_of, period_of, read, stand
from slo_engine.conditions import Level
from slo_engine.evaluate import Stand, revisions_of
from slo_engine.exclusions.counts import ExcludedCounts
from slo_engine.status import Reading, Reset
from slo_engine.windows import BurnPolicy


@dataclass
class CompositeLane(Course):
    """One group of one composite on its way through time."""

    members: Members

    def read(self, end: int, policy: BurnPolicy, reset: Reset | None) -> Reading:
        """How it stands at a minute's edge, over the windows of `policy`."""
        return read(self.formula, self.group, self.members, end, policy, reset)

    def period(self, end: int, reset_at: float | None) -> Mixed:
        """What its budget's period spent."""
        return period_of(self.members, end, reset_at)

    def stand(self, reading: Reading, policy: BurnPolicy, severity: str, left_out: ExcludedCounts, end: int) -> Stand:
        """How a severity stands; unknown while the newest minute of a component is excluded."""
        if self._excluded(left_out, end):
            return Stand(Level.UNKNOWN, None, None)
        return stand(reading, policy, severity)

    def _excluded(self, left_out: ExcludedCounts, end: int) -> bool:
        return any(
            member.formula is not None and left_out.any(member.formula.slo, group, end)
            for member in self.members
            for group, _ in member.accounts
        )


def lanes_of(
    composites: Iterable[tuple[Formula, BurnPolicy]], sources: Mapping[str, Source]
) -> Iterator[CompositeLane]:
    """The groups of every composite; `composites` with the policy of each."""
    for formula, policy in composites:
        for group, members in groups_of(formula, sources).items():
            yield CompositeLane(formula, group, policy, members)


def sources_of(
    formulas: Iterable[tuple[Formula, Mapping[Group, Account]]],
    told: frozenset[str],
    revisions: Mapping[str, Sequence[Revision]],
) -> dict[str, Source]:
    """What can be a component, with what is left of its accounts; `told`: the signals that the ledger has had."""
    return {
        formula.slo.name: Source(formula, accounts, revisions_of(formula, revisions))
        for formula, accounts in formulas
        if signals_of(formula.slo) <= told
    }
