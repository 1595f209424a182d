"""Alerts in words: labels that identify, annotations for people, evidence for whoever decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from core.durations import render
from core.measures import Group, group_key
from slo_engine.absence import Sign
from slo_engine.conditions import Reason
from slo_engine.evaluate import Stand, suspects
from slo_engine.low_traffic import FALSE_ALERT_AFTER
from slo_engine.periods import period_seconds
from slo_engine.specs.model import GaugeThreshold, Latency, QueryRatio, SumRatio, TimeSlices
from slo_engine.status import Finding, Reading, evidence_text, iso
from storage.alerts import AlertEvent

BURN = "ErrorBudgetBurn"
POLICY = "ErrorBudgetPolicy"
_OF_BUDGETS = (BURN, POLICY)


def burn_event(
    reading: Reading,
    stand: Stand,
    severity: str,
    transition: str,
    starts_at: float,
    reason: Reason,
    at: float,
    siblings: Sequence[Reading],
    links: Links,
) -> AlertEvent:
    """A change of a burn-rate alert."""
    slo = reading.formula.slo
    labels = {
        "alertname": BURN,
        "slo": slo.name,
        "service": slo.service,
        "severity": severity,
        **dict(reading.group),
    }
    window = stand.row.long if stand.row else min(reading.windows, default=0)
    evidence = {
        "burn_rates": {render(w): rounded(s.rate) for w, s in sorted(reading.windows.items())},
        "condition": _condition(stand),
        "decided_by": "burn rate" if stand.finding is None else "few events",
        "few_events": _few_events(stand.finding),
        "bad_events": {render(w): s.bad for w, s in sorted(reading.windows.items())},
        "total_events": {render(w): s.counts.total for w, s in sorted(reading.windows.items())},
        "budget_remaining": rounded(reading.period.remaining),
        "objective": slo.objective or None,
        "coverage": rounded(stand.coverage),
        "suspects": suspects(siblings, window, reading.group),
        "reason": reason.value,
        "evaluated_at": iso(at),
    }
    annotations = {
        "summary": _summary(reading, stand, transition),
        "description": _description(reading, stand, at),
        **links.of(labels, starts_at, slo.alerting.runbook),
    }
    return AlertEvent(
        at, slo.name, group_key(reading.group), severity, transition, starts_at, labels, annotations, evidence
    )


def sign_event(sign: Sign, transition: str, starts_at: float, reason: Reason, at: float, links: Links) -> AlertEvent:
    """A change of an absence alert."""
    labels = {
        "alertname": sign.alertname,
        "slo": sign.name,
        "service": "fleet",
        "severity": sign.severity,
        **dict(sign.group),
    }
    annotations = {
        "summary": sign.summary if transition != "resolved" else f"Over: {sign.name}{group_text(sign.group)}.",
        "description": f"{sign.summary} Reason: {reason.value}.",
        **links.of(labels, starts_at, None, canary=sign.evidence.get("canary")),
    }
    evidence = {**sign.evidence, "reason": reason.value, "evaluated_at": iso(at)}
    return AlertEvent(
        at, sign.name, group_key(sign.group), sign.severity, transition, starts_at, labels, annotations, evidence
    )


_NO_DIMENSION = ("alertname", "slo", "service", "severity")


class Links:
    """Where an alert leads: its runbook, and the dashboard's page with its filters and time set.

    A page and a canary's alert open On-call, another one of a budget opens SLO, something absent opens Debug.
    """

    def __init__(self, dashboard_url: str, runbook_url: str) -> None:
        self._dashboard = dashboard_url.rstrip("/")
        self._runbook = runbook_url.rstrip("/")

    def of(
        self, labels: Mapping[str, str], starts_at: float, runbook: str | None, canary: str | None = None
    ) -> dict[str, str]:
        """The annotations `runbook_url` and `dashboard_url`; one that is not configured is left out.

        `starts_at` (Unix seconds) is the alert's beginning, so that one alert keeps one address; `canary` is an id.
        """
        links = {}
        if runbook or self._runbook:
            links["runbook_url"] = runbook or f"{self._runbook}/{labels['alertname']}.md"
        if self._dashboard:
            query = _filters(labels, canary) | {"at": iso(starts_at) or ""}
            links["dashboard_url"] = f"{self._dashboard}/{_page(labels, canary)}?{urlencode(query, safe=':')}"
        return links


def _filters(labels: Mapping[str, str], canary: str | None) -> dict[str, str]:
    """The alert's dimensions; its SLO too, if it is one, and the canary."""
    found = {"slo": labels["slo"]} if labels["alertname"] in _OF_BUDGETS else {}
    found |= {name: value for name, value in labels.items() if name not in _NO_DIMENSION}
    return found | ({"canary": canary} if canary else {})


def _page(labels: Mapping[str, str], canary: str | None) -> str:
    if labels["alertname"] not in _OF_BUDGETS:
        return "" if canary else "debug"
    return "" if labels["severity"] == "page" else "slo"


def _summary(reading: Reading, stand: Stand, transition: str) -> str:
    slo = reading.formula.slo
    who = f"{slo.name}{group_text(reading.group)}"
    if transition in ("resolved", "cleared"):
        return f"{who}: the error budget burns no faster than it may."
    row = stand.row
    if row is None:
        return f"{who}: the error budget burns too fast."
    if stand.finding is not None:
        return f"{who}: few events, and {evidence_text(stand.finding)}."
    rate = reading.windows[row.long].rate
    times = f"{rate:.1f} times too fast" if rate is not None else "too fast"
    return f"{who}: the error budget burns {times} over {render(row.long)}."


def _description(reading: Reading, stand: Stand, end: float) -> str:
    slo = reading.formula.slo
    window = stand.row.long if stand.row else min(reading.windows, default=slo.window_seconds)
    spent = reading.windows.get(window, reading.period)
    left = reading.period.remaining
    budget = "" if left is None else f" {budget_text(left, whose_budget(reading, end))}"
    what = what_was_bad(reading, spent.bad, spent.counts.total)
    inexact = "" if slo.exact else " Not exact: PromQL queries counted."
    return f"{what} over {render(window)}.{budget}{inexact} {slo.description}".strip()


def budget_text(left: float, budget: str) -> str:
    """How much of a budget is left, in a sentence."""
    if left < 0:
        return f"The {budget} is spent {1 - left:.1f} times over."
    return f"{left:.1%} of the {budget} is left."


def whose_budget(reading: Reading, end: float) -> str:
    """The name of the budget of a reading at `end`."""
    slo = reading.formula.slo
    if slo.calendar is None:
        return f"{render(slo.window_seconds)} budget"
    return f"budget since {iso(end - period_seconds(slo, int(end)))}"


def what_was_bad(reading: Reading, bad: int, total: int) -> str:
    """How many of how many, in the words of the indicator."""
    indicator, unit = reading.formula.slo.indicator, reading.formula.unit
    if isinstance(indicator, TimeSlices):
        lost = f"{bad / unit:.3g}" if indicator.target is None else str(bad)
        return f"{lost} of {total / unit:.0f} slices of {render(indicator.seconds)} were bad"
    if isinstance(indicator, SumRatio):
        return f"{bad} spent for {total} units"
    if isinstance(indicator, Latency):
        return f"{bad} of {total} were slower than {indicator.threshold:g} s"
    if isinstance(indicator, GaugeThreshold):
        return f"{bad / unit:.0f} of {total / unit:.0f} target-seconds were not {indicator.op} {indicator.value:g}"
    if isinstance(indicator, QueryRatio) and indicator.minutes:
        return f"{bad / unit:.3g} of {total / unit:.0f} minutes were bad"
    return f"{bad} of {total} were bad"


def _condition(stand: Stand) -> dict[str, Any] | None:
    row = stand.row
    if row is None:
        return None
    return {"long": render(row.long), "short": render(row.short), "factor": float(row.factor)}


def _few_events(finding: Finding | None) -> dict[str, Any] | None:
    """The detector's evidence, and what is promised of it."""
    if finding is None:
        return None
    return {
        "bad": finding.bad,
        "total": finding.total,
        "since": iso(finding.since),
        "e_value": rounded(finding.value),
        "threshold": finding.threshold,
        "burn_rate_at_least": rounded(finding.burn_at_least),
        "limit": float(finding.row.factor),
        "false_alert_after": render(FALSE_ALERT_AFTER[finding.row.severity]),
        "groups": finding.groups,
    }


def rounded(value: float | None) -> float | None:
    """As evidence tells it."""
    return None if value is None else round(value, 4)


def group_text(group: Group) -> str:
    """A group in brackets, with a space before it; nothing for the fleet as a whole."""
    return f" ({', '.join(f'{name}={value}' for name, value in group)})" if group else ""
