"""Judging composites at a minute's edge: every group, its alerts and its status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.buckets import MINUTES
from core.measures import Group, group_key
from slo_engine import alerts
from slo_engine.alerts import Links
from slo_engine.book import Account
from slo_engine.burn_round import Beside, Minute
from slo_engine.compile import Formula, compile_slo, signals_of
from slo_engine.composites import telling
from slo_engine.composites.read import Member, Members, Source, groups_of, read, stand
from slo_engine.conditions import RETIRED_AFTER, Level, State, decide, retire
from slo_engine.departures import Departures
from slo_engine.evaluate import Stand, policy_of, revisions_of, severities
from slo_engine.evaluation import Measured
from slo_engine.outcome import Outcome
from slo_engine.periods import period_seconds
from slo_engine.specs.model import Slo
from slo_engine.status import Reading, Reset, unmeasured


class CompositeRound:
    """Judges the composites of one engine, from the accounts of their components."""

    def __init__(self, links: Links, departures: Departures, beside: Beside) -> None:
        self._links = links
        self._departures = departures
        self._beside = beside

    def judge(self, slos: Iterable[Slo], measured: Iterable[Measured], minute: Minute, outcome: Outcome) -> None:
        """Decide every alert of the composites among `slos`, and say how each stands."""
        wanted = [slo for slo in slos if slo.composite and not slo.unsupported]
        if not wanted:
            return
        outcome.status = outcome.status or []
        told = minute.known.signals | minute.measured
        sources = {
            one.formula.slo.name: self._source(one, minute)
            for one in measured
            if signals_of(one.formula.slo) <= told  # what nobody reports is not idle, however well it is covered
        }
        for slo in wanted:
            self._judge(compile_slo(slo, {}), sources, minute, outcome)

    def _source(self, one: Measured, minute: Minute) -> Source:
        accounts = self._beside.net(one.formula, one.accounts)
        return Source(one.formula, accounts, revisions_of(one.formula, minute.revisions))

    def _judge(self, formula: Formula, sources: Mapping[str, Source], minute: Minute, outcome: Outcome) -> None:
        groups = groups_of(formula, sources)
        for group, members in groups.items():
            self._judge_group(formula, group, members, minute, outcome)
        if not groups:
            _say_nothing_counted(formula.slo, outcome)

    def _judge_group(self, formula: Formula, group: Group, members: Members, minute: Minute, outcome: Outcome) -> None:
        end, slo = minute.end, formula.slo
        policy = policy_of(formula)
        reading = read(formula, group, members, end, policy, self._reset(slo, group, minute))
        excluded = self._excluded(members, end)
        retired = self._departures.retired(slo.name, group, end, minute.known, _most_expected(members, end))
        worst = State.OK
        for severity in severities(slo):
            judged = Stand(Level.UNKNOWN, None, None) if excluded else stand(reading, policy, severity)
            state = self._decide(reading, judged, severity, end, outcome, retired=retired)
            worst = max(worst, state, key=list(State).index)
        assert outcome.status is not None
        found = telling.status(reading, members, worst, end, excluded=excluded)
        outcome.status.append((slo.name, group_key(group), found))

    def _decide(
        self, reading: Reading, judged: Stand, severity: str, end: int, outcome: Outcome, *, retired: bool
    ) -> State:
        key = (reading.formula.slo.name, group_key(reading.group), severity)
        before = outcome.before(key)
        now = decide(before, judged.level, judged.coverage, end, judged.hold)
        decision = retire(before, end) if retired else now
        starts_at = outcome.move(key, decision)
        if decision.transition and starts_at is not None:
            transition, reason = decision.transition, decision.reason
            event = alerts.burn_event(reading, judged, severity, transition, starts_at, reason, end, (), self._links)
            outcome.events.append(telling.told(event, reading, judged, end))
        return decision.alert.state

    def _reset(self, slo: Slo, group: Group, minute: Minute) -> Reset | None:
        return minute.resets.of(slo.name, period_seconds(slo, minute.end), group, minute.end)

    def _excluded(self, members: Members, end: int) -> bool:
        """Whether the newest minute of any component is excluded."""
        return any(
            member.formula is not None and self._beside.excluded(member.formula, group, end - MINUTES.width)
            for member in members
            for group, _ in member.accounts
        )


def _most_expected(members: Iterable[Member], end: int) -> Account | None:
    """The account with the most target-time of late: while one component has targets, the group has."""
    accounts = [account for member in members for _, account in member.accounts]
    since = end - RETIRED_AFTER
    return max(accounts, key=lambda one: one.window(since, end).expected, default=None)


def _say_nothing_counted(slo: Slo, outcome: Outcome) -> None:
    """A row without numbers; alerts that are awake stay as they are."""
    outcome.judged |= {key for key in outcome.awake() if key[0] == slo.name}
    assert outcome.status is not None
    reason = "no counts yet: no target carries the series of any component"
    outcome.status.append((slo.name, group_key(()), unmeasured(slo.name, None, slo.window_seconds, reason)))
