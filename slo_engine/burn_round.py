"""Judging burn rates at a minute's edge: every group of every SLO, its alerts and its status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from core.buckets import MINUTES
from core.measures import Group, group_key
from slo_engine import absence, alerts, budget_policy, no_data
from slo_engine.alerts import Links
from slo_engine.book import Account
from slo_engine.burn import Revision
from slo_engine.canary.telling import CANARY
from slo_engine.compile import OF_TRACES, Formula, signals_of
from slo_engine.conditions import Level, State, decide, retire, withdraw
from slo_engine.departures import Departures
from slo_engine.evaluate import Stand, policy_of, revisions_of, severities, stand
from slo_engine.evaluation import Evaluation, Measured
from slo_engine.forecast import exhausted_at
from slo_engine.outcome import Fleet, Key, Outcome
from slo_engine.resets import Resets
from slo_engine.sheet import Truths
from slo_engine.specs.model import QueryRatio, Slo
from slo_engine.status import Reading, row, unmeasured
from storage.alerts import AlertEvent

_NOT_SLOS = (
    absence.FLEET_DOWN,
    absence.ENGINE_STUCK,
    absence.TRAFFIC_VANISHED,
    absence.COLLECTOR_BLIND,
    absence.GROUP_CAP,
    CANARY,
)


class Minute(NamedTuple):
    """The minute that is judged, ending at `end` (Unix seconds); `measured`: the measures that the ledger has had."""

    end: int
    known: Fleet
    measured: frozenset[str]
    revisions: Mapping[str, Sequence[Revision]]
    resets: Resets = Resets()


class Beside(Protocol):
    """What a group's status says beside its counts, and what of them does not count."""

    def net(self, formula: Formula, accounts: Mapping[Group, Account]) -> Mapping[Group, Account]:
        """The accounts without what is excluded."""
        ...

    def excluded(self, formula: Formula, group: Group, minute: int) -> bool:
        """Whether the minute that begins at `minute` is excluded."""
        ...

    def evidence(self, reading: Reading, end: int) -> Mapping[str, Any]:
        """What an alert's evidence has to say too."""
        ...

    def fields(self, reading: Reading, end: int) -> Mapping[str, Any]:
        """More fields of the row."""
        ...

    def notes(self, reading: Reading, end: int) -> Iterable[str]:
        """What `reason` has to say too."""
        ...


class BurnRound:
    """Judges the SLOs of one engine."""

    def __init__(
        self, links: Links, departures: Departures, told: Callable[[Key], AlertEvent | None], beside: Beside
    ) -> None:
        """`told`: the last event of an alert."""
        self._beside = beside
        self._links = links
        self._departures = departures
        self._told = told

    def judge(
        self,
        measured: Iterable[Measured],
        unsupported: Iterable[Slo],
        minute: Minute,
        outcome: Outcome,
    ) -> None:
        """Decide every burn-rate alert, and say how every SLO stands."""
        outcome.minute, outcome.status = minute.end, outcome.status or []
        awake: dict[str, set[str]] = {}
        for name, group, _ in outcome.awake():
            awake.setdefault(name, set()).add(group)
        unread: set[str] = set()
        for one in measured:
            slo = one.formula.slo
            if missing := signals_of(slo) - minute.known.signals - minute.measured:
                unread.add(slo.name)
                _say_unmeasured(slo, f"not measured: {_nobody_reports(missing)}", outcome)
                self._judge_signs(slo, no_data.signs_of(one.formula, (), (), ()), minute.end, outcome)
                continue
            self._judge_slo(one, awake.get(slo.name, set()), minute, outcome)
        for slo in unsupported:
            _say_unmeasured(slo, slo.unsupported or "", outcome)
        self._withdraw(unread, minute.end, outcome)

    def _judge_slo(self, one: Measured, awake: Set[str], minute: Minute, outcome: Outcome) -> None:
        """Groups whose alerts are at rest and stay there are told in columns; the others are decided one by one."""
        formula = one.formula
        if not one.accounts:
            _say_unmeasured(formula.slo, _nothing_counted(formula.slo), outcome)
            self._judge_signs(formula.slo, no_data.signs_of(formula, (), (), ()), minute.end, outcome)
            return
        net = self._beside.net(formula, one.accounts)
        evaluation = Evaluation(one, minute.end, revisions_of(formula, minute.revisions), net, minute.resets)
        stirring = self._stirring(evaluation, awake, minute)
        readings, excluded, gone = [], set(), set()
        for place in sorted(np.flatnonzero(stirring).tolist(), key=evaluation.groups.__getitem__):
            reading = evaluation.reading(place)
            readings.append(reading)
            stands = self._stands(reading, minute.end)
            if stands is None:
                excluded.add(reading.group)
                stands = dict.fromkeys(severities(formula.slo), Stand(Level.UNKNOWN, None, None))
            account = one.accounts[reading.group]
            retired = self._departures.retired(formula.slo.name, reading.group, minute.end, minute.known, account)
            gone |= {reading.group} if retired else set()
            self._judge_group(reading, stands, evaluation, minute.end, outcome, retired=retired)
            out = reading.group in excluded
            budget_policy.judge(reading, minute.end, outcome, self._links, excluded=out, retired=retired)
        if no_data.wanted(formula.slo):
            self._judge_signs(formula.slo, no_data.signs_of(formula, readings, excluded, gone), minute.end, outcome)
        if not stirring.all():
            outcome.blocks.append(evaluation.at_rest(np.flatnonzero(~stirring)))

    def _stands(self, reading: Reading, end: int) -> dict[str, Stand] | None:
        """How each severity stands; None while the newest minute is excluded."""
        slo = reading.formula.slo
        if self._beside.excluded(reading.formula, reading.group, end - MINUTES.width):
            return None
        policy = policy_of(reading.formula)
        return {severity: stand(reading, policy, severity) for severity in severities(slo)}

    def _stirring(self, evaluation: Evaluation, awake: Set[str], minute: Minute) -> Truths:
        """Whose alerts are not at rest, or may not stay so, or whose budget was reset; those that nobody carries any
        more are remembered."""
        slo = evaluation.one.formula.slo
        if not evaluation.alike:
            return np.ones(len(evaluation.groups), bool)
        found = evaluation.alarming(severities(slo)) | evaluation.reset() | evaluation.below_policy()
        if awake:
            found |= np.array([key in awake for key in evaluation.keys], bool)
        absent = self._departures.absent(evaluation.groups, minute.known)
        self._departures.forget_present(slo.name, {evaluation.groups[place] for place in absent})
        for place in absent:
            group = evaluation.groups[place]
            self._departures.retired(slo.name, group, minute.end, minute.known, evaluation.one.accounts[group])
        return found

    def _judge_group(
        self,
        reading: Reading,
        stands: Mapping[str, Stand],
        evaluation: Evaluation,
        end: int,
        outcome: Outcome,
        *,
        retired: bool,
    ) -> None:
        name, group = reading.formula.slo.name, group_key(reading.group)
        worst = State.OK
        for severity, judged in stands.items():
            key = (name, group, severity)
            before = outcome.before(key)
            now = decide(before, judged.level, judged.coverage, end, judged.hold)
            decision = retire(before, end) if retired else now
            starts_at = outcome.move(key, decision)
            if decision.transition and starts_at is not None:
                event = alerts.burn_event(
                    reading,
                    judged,
                    severity,
                    decision.transition,
                    starts_at,
                    decision.reason,
                    end,
                    evaluation.suspects(judged.row.long if judged.row else min(reading.windows)),
                    self._links,
                )
                evidence = {**event.evidence, **self._beside.evidence(reading, end)}
                outcome.events.append(replace(event, evidence=evidence))
            worst = max(worst, decision.alert.state, key=list(State).index)
        assert outcome.status is not None
        outcome.status.append((name, group, self._row(reading, worst, end)))

    def _judge_signs(self, slo: Slo, signs: Iterable[absence.Sign], end: int, outcome: Outcome) -> None:
        """Tickets that nothing is known of a group."""
        for sign in signs:
            key = absence.key(sign)
            decision = decide(outcome.before(key), sign.level, sign.coverage, end, sign.hold)
            starts_at = outcome.move(key, decision)
            if decision.transition and starts_at is not None:
                event = alerts.sign_event(sign, decision.transition, starts_at, decision.reason, end, self._links)
                outcome.events.append(no_data.labelled(event, slo))

    def _row(self, reading: Reading, state: State, end: int) -> dict[str, Any]:
        found = row(reading, state)
        reasons = [*([found["reason"]] if found["reason"] else []), *self._beside.notes(reading, end)]
        return {
            **found,
            "reason": "; ".join(reasons) or None,
            "exhausted_at": exhausted_at(reading, end),
            **budget_policy.fields(reading.formula.slo),
            **self._beside.fields(reading, end),
        }

    def _withdraw(self, unread: set[str], end: int, outcome: Outcome) -> None:
        """End alerts that nothing speaks for: the SLO's file is gone, or it has other groups or severities now.

        They end under the labels with which they were last told, since those identify them to whoever was told.
        """
        for key in outcome.awake():
            if key in outcome.judged or key[0] in _NOT_SLOS or key[0] in unread:
                continue
            decision, last = withdraw(outcome.before(key), end), self._told(key)
            starts_at = outcome.move(key, decision)
            if decision.transition and starts_at is not None and last is not None:
                summary = {"summary": f"{key[0]}: no SLO that is in force speaks for this alert any more."}
                reason = {"reason": decision.reason.value}
                outcome.events.append(
                    AlertEvent(
                        end, *key, decision.transition, starts_at, last.labels, {**last.annotations, **summary}, reason
                    )
                )


def _nobody_reports(signals: Set[str]) -> str:
    if signals <= OF_TRACES:
        return "no application sends traces"
    return f"no target reports {', '.join(sorted(signals))}"


def _nothing_counted(slo: Slo) -> str:
    if not isinstance(slo.counted, QueryRatio):
        return "no counts yet: no target carries this SLI's series"
    server = slo.counted.server
    where = f"collector.prometheus has {server}" if server else "collector.prometheus has one server, or name one"
    return f"no counts yet: no server has answered the SLI's queries; check that {where}"


def _say_unmeasured(slo: Slo, reason: str, outcome: Outcome) -> None:
    assert outcome.status is not None
    row_ = unmeasured(slo.name, slo.objective, slo.window_seconds, reason) | budget_policy.fields(slo)
    outcome.status.append((slo.name, group_key(()), row_))
