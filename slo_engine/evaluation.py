"""One SLO at one minute: what all of its groups spent, and a closer look at those that need one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from core.measures import Group, group_key
from slo_engine import low_traffic, sheet, status_columns
from slo_engine.book import Account, Book
from slo_engine.burn import Revision
from slo_engine.compile import TOTAL, Formula
from slo_engine.evaluate import SUSPECTS, policy_of, read_group, weighed
from slo_engine.groups import formula_of
from slo_engine.periods import period_seconds
from slo_engine.resets import NO_RESETS, Resets
from slo_engine.sheet import Numbers, Truths
from slo_engine.specs.model import EventRatio, GaugeThreshold, Latency, QueryRatio, RateSlices, SumRatio
from slo_engine.status import Reading, Reset
from slo_engine.status_columns import Rest
from slo_engine.track import NEVER
from storage.status_blocks import StatusBlock

_ALIKE = (EventRatio, Latency, GaugeThreshold, RateSlices, SumRatio, QueryRatio)
"""Indicators of which the groups differ in nothing but their counts: one policy, one period, the same fields."""


class Measured:
    """An SLO with its accounts in a book."""

    def __init__(self, book: Book, index: int) -> None:
        self.formula: Formula = book.formulas[index]
        self.accounts: Mapping[Group, Account] = book.accounts[index]
        self._book, self._index = book, index

    def windows(self, start: float, end: int) -> Numbers:
        """What every account says of a window, in their order."""
        return self._book.windows(self._index, start, end)

    def since(self) -> Numbers:
        """When every account began."""
        return self._book.since(self._index)


class Evaluation:
    """Reads each window once for all groups. `end`: the minute's edge, Unix seconds."""

    def __init__(
        self,
        one: Measured,
        end: int,
        revisions: Sequence[Revision],
        accounts: Mapping[Group, Account] | None = None,
        resets: Resets = NO_RESETS,
    ) -> None:
        """`accounts`: without what is excluded, where that differs."""
        self.one = one
        self._accounts = one.accounts if accounts is None else accounts
        self.policy = policy_of(one.formula)
        self.groups = list(one.accounts)
        self._end, self._revisions, self._resets = end, revisions, resets
        self._sheet = sheet.read(one.formula, one.windows, end, self.policy, revisions)
        self._suspects: dict[int, list[Reading]] = {}

    @cached_property
    def keys(self) -> list[str]:
        """The key of each group."""
        return [group_key(group) for group in self.groups]

    @cached_property
    def _since(self) -> Numbers:
        return self.one.since()

    def alarming(self, severities: Iterable[str]) -> Truths:
        """The groups whose alerts may begin, or go on."""
        wanted = set(severities)
        by_rate = self._sheet.alarming(row for row in self.policy.rows if row.severity in wanted)
        return by_rate | low_traffic.in_sight(self.one.formula, self._sheet, self.policy)

    def below_policy(self) -> Truths:
        """The groups whose budget is below a level at which an alert opens."""
        policy = self.one.formula.slo.budget_policy
        levels = policy.told.values() if policy else ()
        if not levels:
            return np.zeros(len(self.groups), bool)
        # Less than a share is left where more than the rest of it was spent: compared without rounding.
        return self._sheet.period.above(1 - max(levels))

    @property
    def alike(self) -> bool:
        """Whether groups at rest may be told in columns; else each is decided and told by itself."""
        slo = self.one.formula.slo
        own = slo.calendar, slo.overrides, slo.exclude, slo.conditions, slo.depends_on
        return isinstance(slo.indicator, _ALIKE) and not any(own)

    @cached_property
    def _active(self) -> int:
        """Groups with events in the longest window: those that could give a false alert."""
        longest = max((row.long for row in self.policy.rows), default=0)
        return int((self._sheet.windows[longest].counts[:, TOTAL] > 0).sum()) if longest else 0

    def reading(self, place: int) -> Reading:
        """One group, exactly; what `read_groups` says of it."""
        plain = self._plain(place)
        account = self._accounts[plain.group]
        return weighed(plain, account, self._end, self._revisions, self._active, self.one.formula, self.policy)

    def _plain(self, place: int) -> Reading:
        group = self.groups[place]
        account = self.one.accounts[group]
        reset = self._reset(group)
        if not self.alike or reset is not None:
            formula, account = formula_of(self.one.formula, group), self._accounts[group]
            policy = self.policy if formula is self.one.formula else policy_of(formula)
            return read_group(formula, group, account, self._end, policy, self._revisions, reset)
        windows = {length: spending.of(place) for length, spending in self._sheet.windows.items()}
        first = int(self._since[place])
        since = None if first >= NEVER else float(first)
        return Reading(self.one.formula, group, self._sheet.period.of(place), windows, since, frozenset(account.cuts))

    def reset(self) -> Truths:
        """The groups whose budget counts anew within their window: each is told by itself."""
        if not self._resets.known(self.one.formula.slo.name):
            return np.zeros(len(self.groups), bool)
        return np.array([self._reset(group) is not None for group in self.groups], bool)

    def _reset(self, group: Group) -> Reset | None:
        slo = self.one.formula.slo
        return self._resets.of(slo.name, period_seconds(slo, self._end), group, self._end)

    def suspects(self, window: int) -> list[Reading]:
        """The groups that stand out in a window, by group."""
        found = self._suspects.get(window)
        if found is None:
            places = sorted(self._sheet.worst(window, SUSPECTS), key=self.groups.__getitem__)
            found = self._suspects[window] = [self._plain(place) for place in places]
        return found

    def at_rest(self, places: Numbers) -> StatusBlock:
        """The status of groups whose alerts are all at rest."""
        here = places.tolist()
        cuts = [frozenset(account.cuts) for account in self.one.accounts.values()]
        rest = Rest(places, [self.keys[n] for n in here], self._since[places], [cuts[n] for n in here])
        return status_columns.block(self.one.formula, self._sheet, rest, self._end)
