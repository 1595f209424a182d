"""What a set of SLO files would change: SLOs, what is left of their budgets, and the alerts of the last 30 days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from burnline.backtesting.asked import Side, Span
from burnline.backtesting.history import History, live
from burnline.backtesting.progress import Stage, silent
from burnline.backtesting.run import Result, run
from burnline.slo_sets.in_force import InForce
from core.durations import HOUR
from core.errors import ConfigError
from core.measures import Group
from slo_engine.backtest import Past, composites_of, load_books, measurable
from slo_engine.book import Account
from slo_engine.burn import Revision, Spent, budget_of
from slo_engine.compile import Formula
from slo_engine.evaluate import revisions_of
from slo_engine.groups import formula_of
from slo_engine.periods import period_of, period_seconds
from slo_engine.sets import describe_set
from slo_engine.specs.model import Composite, Slo
from slo_engine.tick import stored_revisions
from storage.database import Database

What = Literal["added", "removed", "changed"]
FIELDS = ("objective", "window", "indicator", "alerting", "threshold", "service", "description", "unsupported")
_COUNTED = ("objective", "window", "indicator")
"""A change of these begins a revision."""
_WORDS = ("service", "description")
"""A change of these counts and alerts nothing else."""


@dataclass(frozen=True)
class FieldChange:
    """One field of an SLO, before and after."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class SloChange:
    """One SLO that is not what it was. `fields` only where it is changed."""

    name: str
    what: What
    fields: tuple[FieldChange, ...] = ()

    @property
    def is_judged(self) -> bool:
        """Whether counts or alerts may be others."""
        return self.what != "changed" or any(f.field not in _WORDS for f in self.fields)

    @property
    def is_counted_anew(self) -> bool:
        """Whether it begins a revision."""
        return self.what != "removed" and (self.what == "added" or any(f.field in _COUNTED for f in self.fields))


@dataclass(frozen=True)
class Budget:
    """The share of a group's budget that is left, as the SLO is and as it would be; None where nothing is counted."""

    slo: str
    group: Group
    before: float | None
    after: float | None

    @property
    def is_wiped(self) -> bool:
        """Whether a spent budget would look as if it were not."""
        return self.before is not None and self.before <= 0 and (self.after is None or self.after > 0)


@dataclass(frozen=True)
class Plan:
    """Everything that would change. `alerts` None: there are no counts to judge, or nobody asked."""

    changes: tuple[SloChange, ...]
    budgets: tuple[Budget, ...]
    alerts: Result | None
    notes: tuple[str, ...]

    @property
    def wiped(self) -> list[Budget]:
        """Spent budgets that an edit would hide."""
        changed = {change.name for change in self.changes if change.what == "changed"}
        return [one for one in self.budgets if one.slo in changed and one.is_wiped]


def compare(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[SloChange]:
    """What is added, removed and changed, by name."""
    found = []
    for name in sorted({*before, *after}):
        if name not in before:
            found.append(SloChange(name, "added"))
        elif name not in after:
            found.append(SloChange(name, "removed"))
        elif fields := _fields(before[name], after[name]):
            found.append(SloChange(name, "changed", fields))
    return found


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    pairs = ((field, before.get(field), after.get(field)) for field in FIELDS)
    changes = [FieldChange(field, old, new) for field, old, new in pairs if old != new]
    if {change.field for change in changes} & {"objective", "window"}:
        # The burn table follows from these: it is told only where it changes by itself.
        changes = [c for c in changes if c.field != "alerting" or _without_rows(c.before) != _without_rows(c.after)]
    return tuple(changes)


def _without_rows(alerting: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in alerting.items() if name != "rows"}


def plan(
    database: Database,
    name: str,
    present: InForce,
    slos: Sequence[Slo],
    now: float,
    stage: Stage = silent,
    *,
    judge: bool = True,
) -> Plan:
    """What `slos` would change against what is in force. `judge`: with budgets and alerts, out of the ledger."""
    changes = compare(present.described, describe_set(slos))
    notes = [] if present.stored else ["no set was recorded in force yet: everything counts as added"]
    names = _with_families({change.name for change in changes if change.is_judged}, [*present.slos, *slos])
    before = [slo for slo in present.slos if slo.name in names and slo.alerting.enabled]
    after = [slo for slo in slos if slo.name in names and slo.alerting.enabled]
    if not names or not judge:
        return Plan(tuple(changes), (), None, tuple(notes))
    try:
        history = live(database, name, Span(), now)
    except ConfigError as error:
        return Plan(tuple(changes), (), None, (*notes, str(error)))
    budgets = _budgets(history, before, after, {change.name for change in changes if change.is_counted_anew})
    alerts = run(history, [Side("in force", tuple(before)), Side("planned", tuple(after))], stage)
    return Plan(tuple(changes), tuple(budgets), alerts, tuple(notes))


def _with_families(names: set[str], slos: Iterable[Slo]) -> set[str]:
    """A composite cannot be judged without its components, and changes with them."""
    found = set(names)
    for slo in slos:
        if isinstance(slo.indicator, Composite):
            family = {slo.name, *(part.slo for part in slo.indicator.parts)}
            found |= family if family & names else set()
    return found


def _budgets(history: History, before: Sequence[Slo], after: Sequence[Slo], anew: set[str]) -> list[Budget]:
    reach = max((slo.window_seconds for slo in [*before, *after]), default=0)
    sets = [measurable(before), measurable(after)]
    books = load_books(history.database, sets, history.end - reach - HOUR, history.end)
    known = stored_revisions(history.database)
    old = _left(history, books[0], known)
    new = _left(history, books[1], known | _revised(books[1], known, anew, history.end))
    return [Budget(*key, old.get(key), new.get(key)) for key in sorted({*old, *new})]


def _revised(
    past: Past, known: Mapping[str, tuple[Revision, ...]], anew: set[str], now: int
) -> dict[str, tuple[Revision, ...]]:
    """The revisions as they would be: what was in force stays so for what was counted then."""
    fresh = {one.slo.name: Revision(now, budget_of(one), one.slo.overrides) for one in past.book.formulas}
    return {name: (*known[name], revision) for name, revision in fresh.items() if name in anew and name in known}


def _left(
    history: History, past: Past, revisions: Mapping[str, tuple[Revision, ...]]
) -> dict[tuple[str, Group], float | None]:
    past.book.trim(history.end)
    past.left_out.trim(history.end)
    counted = {
        (formula.slo.name, group): _period(history, formula, group, account, revisions).remaining
        for formula, accounts in zip(past.book.formulas, past.book.accounts, strict=True)
        for group, account in past.left_out.net(formula.slo, accounts).items()
    }
    return counted | {
        (lane.formula.slo.name, lane.group): lane.period(
            history.end, _reset_at(history, lane.formula, lane.group)
        ).remaining
        for lane in composites_of(past, revisions)
    }


def _period(
    history: History,
    formula: Formula,
    group: Group,
    account: Account,
    revisions: Mapping[str, tuple[Revision, ...]],
) -> Spent:
    own = [revision.of(group) for revision in revisions_of(formula, revisions)]
    return period_of(formula_of(formula, group), account, history.end, own, _reset_at(history, formula, group))


def _reset_at(history: History, formula: Formula, group: Group) -> float | None:
    found = history.in_effect.of(formula.slo.name, period_seconds(formula.slo, history.end), group, history.end)
    return None if found is None else found.at
