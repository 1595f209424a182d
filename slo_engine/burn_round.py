"""Judging burn rates at a minute's edge: every group of every SLO, its alerts and its status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from core.measures import group_key
from slo_engine import absence, alerts
from slo_engine.alerts import Links
from slo_engine.burn import Revision
from slo_engine.canary.telling import CANARY
from slo_engine.compile import OF_TRACES, signals_of
from slo_engine.conditions import State, decide, retire, withdraw
from slo_engine.departures import Departures
from slo_engine.evaluate import Stand, revisions_of, severities, stand
from slo_engine.evaluation import Evaluation, Measured
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


class BurnRound:
    """Judges the SLOs of one engine."""

    def __init__(self, links: Links, departures: Departures, told: Callable[[Key], AlertEvent | None]) -> None:
        """`told`: the last event of an alert."""
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
            return
        evaluation = Evaluation(one, minute.end, revisions_of(formula, minute.revisions), minute.resets)
        stirring = self._stirring(evaluation, awake, minute)
        for place in sorted(np.flatnonzero(stirring).tolist(), key=evaluation.groups.__getitem__):
            reading = evaluation.reading(place)
            stands = {severity: stand(reading, evaluation.policy, severity) for severity in severities(formula.slo)}
            account = one.accounts[reading.group]
            retired = self._departures.retired(formula.slo.name, reading.group, minute.end, minute.known, account)
            self._judge_group(reading, stands, evaluation, minute.end, outcome, retired=retired)
        if not stirring.all():
            outcome.blocks.append(evaluation.at_rest(np.flatnonzero(~stirring)))

    def _stirring(self, evaluation: Evaluation, awake: Set[str], minute: Minute) -> Truths:
        """Whose alerts are not at rest, or may not stay so, or whose budget was reset; those that nobody carries any
        more are remembered."""
        slo = evaluation.one.formula.slo
        if not evaluation.alike:
            return np.ones(len(evaluation.groups), bool)
        found = evaluation.alarming(severities(slo)) | evaluation.reset()
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
            decision = retire(before, end) if retired else decide(before, judged.level, judged.coverage, end)
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
                outcome.events.append(event)
            worst = max(worst, decision.alert.state, key=list(State).index)
        assert outcome.status is not None
        outcome.status.append((name, group, row(reading, worst)))

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
    if not isinstance(slo.indicator, QueryRatio):
        return "no counts yet: no target carries this SLI's series"
    server = slo.indicator.server
    where = f"collector.prometheus has {server}" if server else "collector.prometheus has one server, or name one"
    return f"no counts yet: no server has answered the SLI's queries; check that {where}"


def _say_unmeasured(slo: Slo, reason: str, outcome: Outcome) -> None:
    assert outcome.status is not None
    row_ = unmeasured(slo.name, slo.objective, slo.window_seconds, reason)
    outcome.status.append((slo.name, group_key(()), row_))
