"""Plans, histories and resets as JSON: docs/schemas/ says what each field is."""

from __future__ import annotations

from typing import Any

from burnline.backtesting.report import incident_view, report
from burnline.slo_sets.plan import Budget, Plan, SloChange

VERSION = 1


def plan_view(found: Plan) -> dict[str, Any]:
    """What would change."""
    return {
        "version": VERSION,
        "changes": [_change(one) for one in found.changes],
        "budgets": [_budget(one) for one in found.budgets],
        "alerts": _alerts(found),
        "notes": list(found.notes),
    }


def counts(found: Plan) -> dict[str, int]:
    """How many SLOs are added, removed and changed."""
    whats = [change.what for change in found.changes]
    return {"added": whats.count("added"), "removed": whats.count("removed"), "changed": whats.count("changed")}


def _change(one: SloChange) -> dict[str, Any]:
    fields = [{"field": f.field, "before": f.before, "after": f.after} for f in one.fields]
    return {"slo": one.name, "change": one.what, "fields": fields}


def _budget(one: Budget) -> dict[str, Any]:
    return {
        "slo": one.slo,
        "group": dict(one.group),
        "before": one.before,
        "after": one.after,
        "hides_spent_budget": one.is_wiped,
    }


def _alerts(found: Plan) -> dict[str, Any] | None:
    if found.alerts is None or found.alerts.there is None:
        return None
    whole = report(found.alerts)
    return {
        "from": whole["from"],
        "to": whole["to"],
        "before": {"counts": whole["counts"], "alerts": [incident_view(i) for i in found.alerts.here.incidents]},
        "after": {"counts": whole["against"]["counts"], "alerts": whole["against"]["alerts"]},
        "differences": whole["against"]["differences"],
        "notes": whole["notes"],
    }
