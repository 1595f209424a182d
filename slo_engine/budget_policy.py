"""What follows when a budget runs low: alerts of an SLO with `burnline/budget-policy`, one for each consequence.

The freeze is no alert: whoever wants to change something asks `burnline gate`, which reads its level in the status.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from core.durations import render
from core.forecast import outlook
from core.measures import group_key
from slo_engine import forecast
from slo_engine.alerts import POLICY, Links, group_text, rounded, what_was_bad
from slo_engine.conditions import Alert, Decision, Level, State, decide, retire
from slo_engine.outcome import Key, Outcome
from slo_engine.specs.model import Slo
from slo_engine.status import BLIND, Reading, amount, iso
from storage.alerts import AlertEvent

SEVERITIES = {"notify": "info", "ticket": "ticket"}
"""The label `severity` by consequence. States of alerts have `budget-info` and `budget-ticket`, beside burn alerts."""
RELIEF = Fraction(2, 100)
"""So much above its level a budget ends its alert: it wavers around the level as events enter and leave."""


class Low(NamedTuple):
    """One consequence of one group: how it stands. `level`: the share of the budget below which it follows."""

    key: Key
    severity: str
    level: Fraction
    now: Level


def judge(reading: Reading, end: int, outcome: Outcome, links: Links, *, excluded: bool, retired: bool) -> None:
    """Decide the alerts of one group at a minute's edge. `excluded`: the minute does not count, so nothing moves."""
    for low in _stands(reading, outcome, excluded=excluded):
        before = outcome.before(low.key)
        decision = retire(before, end) if retired else decide(before, low.now, _recent_coverage(reading), end)
        starts_at = outcome.move(low.key, decision)
        if decision.transition and starts_at is not None:
            outcome.events.append(_event(reading, low, decision, starts_at, end, links))


def fields(slo: Slo) -> dict[str, Any]:
    """The status field of an SLO that has a policy."""
    return {"budget_policy": dict(slo.budget_policy.levels)} if slo.budget_policy else {}


def level_of(reading: Reading, level: Fraction, before: Alert) -> Level:
    """Whether a budget is below a level; while its alert fires, whether it is not yet clearly above it.

    Not known where nothing is, where under half of the period's target-time was seen, and where so few events were
    counted that the objective allows less than one bad one of them: the gate says then that there is not enough data.
    """
    period = reading.period
    limit = level + RELIEF if before.state is State.FIRING else level
    if not period.allowed or _is_blind(period.counts.coverage) or _too_few(reading):
        return Level.UNKNOWN
    left = 1 - period.bad / period.allowed
    still = left <= limit if before.state is State.FIRING else left < limit
    return Level.ABOVE if still else Level.BELOW


def _stands(reading: Reading, outcome: Outcome, *, excluded: bool) -> Iterator[Low]:
    slo, group = reading.formula.slo, group_key(reading.group)
    for name, level in (slo.budget_policy.told if slo.budget_policy else {}).items():
        key = (slo.name, group, f"budget-{SEVERITIES[name]}")
        now = Level.UNKNOWN if excluded else level_of(reading, level, outcome.before(key))
        yield Low(key, SEVERITIES[name], level, now)


def _is_blind(coverage: float | None) -> bool:
    return coverage is None or coverage < BLIND


def _too_few(reading: Reading) -> bool:
    """A price has no events of which one could be bad."""
    return bool(reading.formula.slo.objective) and reading.period.allowed < Fraction(reading.formula.unit)


def _recent_coverage(reading: Reading) -> float | None:
    return reading.windows[min(reading.windows)].counts.coverage


def _event(reading: Reading, low: Low, decision: Decision, starts_at: float, end: int, links: Links) -> AlertEvent:
    slo = reading.formula.slo
    assert decision.transition
    labels = {
        "alertname": POLICY,
        "slo": slo.name,
        "service": slo.service,
        "severity": low.severity,
        **dict(reading.group),
    }
    gone = forecast.exhausted_at(reading, end)
    annotations = {
        "summary": _summary(reading, low, decision.transition),
        "description": f"{_spent(reading)} {_outlook(reading, gone)} {slo.description}".strip(),
        **links.of(labels, starts_at, slo.alerting.runbook),
    }
    evidence = _evidence(reading, low) | {
        "exhausted_at": gone,
        "reason": decision.reason.value,
        "evaluated_at": iso(end),
    }
    return AlertEvent(end, *low.key, decision.transition, starts_at, labels, annotations, evidence)


def _evidence(reading: Reading, low: Low) -> dict[str, Any]:
    slo, period, unit = reading.formula.slo, reading.period, reading.formula.unit
    windows = sorted(reading.windows.items())
    return {
        "budget_remaining": rounded(period.remaining),
        "budget_below": float(low.level),
        "ends_above": float(low.level + RELIEF),
        "spent": amount(period.bad, unit),
        "allowed": float(period.allowed / Fraction(unit)),
        "total": amount(period.counts.total, unit),
        "window": render(slo.window_seconds),
        "burn_rates": {render(window): rounded(one.rate) for window, one in windows},
        "bad_events": {render(window): one.bad for window, one in windows},
        "total_events": {render(window): one.counts.total for window, one in windows},
        "objective": slo.objective or None,
        "coverage": rounded(period.counts.coverage),
    }


def _summary(reading: Reading, low: Low, transition: str) -> str:
    who, left = f"{reading.formula.slo.name}{group_text(reading.group)}", reading.period.remaining
    level = f"{float(low.level * 100):.4g} %"
    share = "what is left is not known" if left is None else "it is spent" if left <= 0 else f"{left:.1%} is left"
    if transition == "resolved":
        return f"{who}: over: the error budget was below {level}, now {share}."
    return f"{who}: the error budget is below {level}: {share}."


def _spent(reading: Reading) -> str:
    period = reading.period
    return f"{what_was_bad(reading, period.bad, period.counts.total)} in the budget's period."


def _outlook(reading: Reading, gone: dict[str, str | None]) -> str:
    found = outlook({"budget_remaining": reading.period.remaining, "exhausted_at": gone}, None)
    return f"{found[0].upper()}{found[1:]}." if found else ""
