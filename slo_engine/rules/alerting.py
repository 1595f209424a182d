"""The burn-rate alerts of one SLO, over the records of its windows."""

from __future__ import annotations

import json

from core.durations import render
from slo_engine.alerts import BURN
from slo_engine.evaluate import severities
from slo_engine.rules import promql
from slo_engine.rules.policy import RulePolicy
from slo_engine.rules.recording import BAD, Rule, of, ratio_of, record_of
from slo_engine.rules.sides import Sides
from slo_engine.specs.model import Slo
from slo_engine.windows import BurnRow


def alert_rules(slo: Slo, sides: Sides, policy: RulePolicy) -> list[Rule]:
    """One alert for each severity: any of its rows burns in both windows, strictly."""
    rules = []
    for severity in severities(slo):
        rows = [row for row in policy.rows(slo).rows if row.severity == severity]
        expression = "\nor\n".join(_condition(slo, sides, row, policy) for row in rows)
        labels = {"service": slo.service, "severity": severity, "slo": slo.name}
        rules.append(Rule(BURN, expression, labels, "alert", _annotations(slo, sides), policy.keeps_firing))
    return rules


def _condition(slo: Slo, sides: Sides, row: BurnRow, policy: RulePolicy) -> str:
    limit = promql.number(row.factor * sides.budget)
    parts = [f"{of(slo, ratio_of(window))} > {limit}" for window in (row.short, row.long)]
    if least := policy.least_bad(slo):
        # `increase` extrapolates, so that it is whole only by rounding
        parts.append(f"round({of(slo, record_of(BAD, row.long))}) >= {least}")
    said = f"  # {promql.number(row.factor)} times the budget in {render(row.short)} and {render(row.long)}\n"
    return "(\n" + said + "  " + "\n  and\n  ".join(parts) + "\n)"


def _annotations(slo: Slo, sides: Sides) -> dict[str, str]:
    group = ", ".join(f"{name}={{{{ $labels.{name} }}}}" for name in sides.by)
    who = f"{slo.name} ({group})" if group else slo.name
    found = {"summary": f"{who}: the error budget burns too fast."}
    if slo.description.strip():
        found["description"] = _verbatim(slo.description.strip())
    if slo.alerting.runbook:
        found["runbook_url"] = _verbatim(slo.alerting.runbook)
    return found


def _verbatim(text: str) -> str:
    """Text that Prometheus must not read as a template."""
    return text if "{{" not in text else f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"
