"""Reading a composite at a minute's edge: which accounts its groups are made of, their windows, how it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from core.measures import Group, project
from slo_engine import evaluate, periods
from slo_engine.book import Account
from slo_engine.burn import Revision, Spent, spent
from slo_engine.compile import Formula
from slo_engine.composites.mix import Mixed, Share, added, mix
from slo_engine.conditions import Level
from slo_engine.evaluate import Stand
from slo_engine.low_traffic import MIN_BAD_EVENTS, has_events
from slo_engine.specs.model import Component, Composite
from slo_engine.status import Reading, Reset
from slo_engine.windows import BurnPolicy, BurnRow


class Source(NamedTuple):
    """A component with everything that is counted for it."""

    formula: Formula
    accounts: Mapping[Group, Account]
    revisions: Sequence[Revision]


class Member(NamedTuple):
    """A component in one group of its composite: the accounts that fall into it, none where it has none there."""

    part: Component
    formula: Formula | None
    accounts: tuple[tuple[Group, Account], ...]
    revisions: Sequence[Revision]


Members = tuple[Member, ...]


def groups_of(formula: Formula, sources: Mapping[str, Source]) -> dict[Group, Members]:
    """The groups that any component has, by the labels of the composite, in their order."""
    composite = formula.slo.indicator
    assert isinstance(composite, Composite)
    found = [_by_group(formula, sources.get(part.slo)) for part in composite.parts]
    groups = sorted({group for one in found for group in one})
    pairs = list(zip(composite.parts, found, strict=True))
    return {
        group: tuple(_member(part, sources.get(part.slo), one.get(group, ())) for part, one in pairs)
        for group in groups
    }


def _by_group(formula: Formula, source: Source | None) -> dict[Group, tuple[tuple[Group, Account], ...]]:
    found: dict[Group, tuple[tuple[Group, Account], ...]] = {}
    for group, account in sorted(source.accounts.items()) if source else ():
        whole = project(group, formula.slo.by)
        found[whole] = (*found.get(whole, ()), (group, account))
    return found


def _member(part: Component, source: Source | None, accounts: tuple[tuple[Group, Account], ...]) -> Member:
    return Member(part, source and source.formula, accounts, source.revisions if source else ())


def read(
    formula: Formula, group: Group, members: Members, end: int, policy: BurnPolicy, reset: Reset | None = None
) -> Reading:
    """One group of a composite; its windows and its period are `Mixed`. A reset cuts the period alone."""
    windows = sorted({window for row in policy.rows for window in (row.long, row.short)})
    burns = {window: _mixed(members, partial(_window, window=window, end=end)) for window in windows}
    since = None if reset is None else reset.at
    period = period_of(members, end, since)
    began = [account.since() for member in members for _, account in member.accounts]
    known = [at for at in began if at is not None]
    return Reading(formula, group, period, burns, min(known, default=None), reset=reset)


def period_of(members: Members, end: int, reset_at: float | None = None) -> Mixed:
    """What the period of one group spent up to `end`; after a reset only what was counted from its minute on."""
    return _mixed(members, partial(_period, end=end, reset_at=reset_at))


def stand(reading: Reading, policy: BurnPolicy, severity: str) -> Stand:
    """How a severity of a composite stands.

    A row over events waits for five bad ones in its long window. What is above although a component is unknown is
    above; what is not, is unknown.
    """
    whole = evaluate.stand(reading, policy, severity)
    if whole.level in (Level.BELOW, Level.UNKNOWN):
        return whole
    heard = evaluate.stand(reading, BurnPolicy(tuple(row for row in policy.rows if not _thin(reading, row))), severity)
    if heard.level in (Level.ABOVE, Level.SHORT_ONLY):
        return heard._replace(coverage=whole.coverage)
    short = [reading.windows[row.short] for row in policy.rows if row.severity == severity]
    is_unknown = any(isinstance(one, Mixed) and one.unknown for one in short)
    return Stand(Level.UNKNOWN if is_unknown else Level.BELOW, None, whole.coverage)


def _thin(reading: Reading, row: BurnRow) -> bool:
    long = reading.windows[row.long]
    bad = long.bad_events if isinstance(long, Mixed) else None
    return bad is not None and bad < MIN_BAD_EVENTS


def _mixed(members: Members, of: Callable[[Member], Spent | None]) -> Mixed:
    return mix([Share(one.part, of(one), one.formula is not None and has_events(one.formula)) for one in members])


def _window(member: Member, window: int, end: int) -> Spent | None:
    formula = member.formula
    if formula is None:
        return None
    return added(
        spent(formula, account, window, end, [one.of(group) for one in member.revisions])
        for group, account in member.accounts
    )


def _period(member: Member, end: int, reset_at: float | None) -> Spent | None:
    formula = member.formula
    if formula is None:
        return None
    return added(
        periods.period_of(formula, account, end, [one.of(group) for one in member.revisions], reset_at)
        for group, account in member.accounts
    )
