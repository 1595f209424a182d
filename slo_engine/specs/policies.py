"""alertPolicies: burn-rate conditions of an SLO's own, in place of the burn table.

Whom they tell is decided by routes, not by notificationTargets.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from core.buckets import HOURS
from core.durations import DAY, parse_openslo
from slo_engine.specs.indicators import exact
from slo_engine.specs.model import AlertCondition
from slo_engine.specs.node import Node
from slo_engine.specs.references import Index

PAGES = ("page", "critical", "crit", "emergency", "urgent", "high", "sev1", "sev-1", "p1", "p0")
TICKETS = ("ticket", "warning", "warn", "major", "medium", "minor", "low", "info", "sev2", "sev-2", "sev3", "p2", "p3")
_WHEN = ("alertWhenBreaching", "alertWhenResolved", "alertWhenNoData")


def read_conditions(slo: Node, known: Index, notes: list[str]) -> tuple[AlertCondition, ...]:
    """The conditions of an SLO's spec that have an effect; `notes` tells of those that have none, and why."""
    found = [_condition(name, policy, known, notes) for name, policy in _policies(slo, known)]
    return tuple(condition for condition in found if condition is not None)


def dead(condition: AlertCondition, budget: Fraction) -> str | None:
    """That a condition can never be fulfilled: no more than all events can be bad."""
    highest = condition.factor * budget
    if highest < 1 or (highest == 1 and condition.inclusive):
        return None
    return f"alertPolicy {condition.name} can never fire: at this target a burn rate is at most {float(1 / budget):g}"


def _policies(slo: Node, known: Index) -> Iterator[tuple[str, Node]]:
    """Name and spec of each policy, inline or behind a reference."""
    policies = slo.get("alertPolicies")
    for item in policies.items() if policies else []:
        if ref := item.get("alertPolicyRef"):
            there = known.get(("AlertPolicy", str(ref.value)))
            if there and there.sound and (spec := there.node.get("spec")):
                yield str(ref.value), spec
        elif spec := item.get("spec"):
            name = item.at("metadata", "name")
            yield str(name.value) if name else "", spec


def _condition(name: str, policy: Node, known: Index, notes: list[str]) -> AlertCondition | None:
    spec = _condition_spec(policy, known)
    burn = spec.get("condition") if spec else None
    if spec is None or burn is None:
        return None
    breaching = _breaches(policy)
    no_data = _is_true(policy, "alertWhenNoData")
    why = None if breaching else "alertWhenBreaching is not true"
    why = why or _no_effect(burn)
    if why:
        notes.append(f"alertPolicy {name} never fires: {why}")
    if why and not no_data:
        return None
    severity = spec.text("severity").lower()
    if severity not in (*PAGES, *TICKETS):
        notes.append(f"alertPolicy {name}: severity {severity!r} is taken for a ticket; {', '.join(PAGES)} page")
    threshold = burn.get("threshold")
    return AlertCondition(
        name=name,
        severity="page" if severity in PAGES else "ticket",
        factor=exact(threshold.value) if threshold else Fraction(0),
        inclusive=burn.text("op") == "gte",
        window=parse_openslo(burn.text("lookbackWindow")),
        hold=parse_openslo(burn.text("alertAfter", "0m")),
        breaching=why is None,
        no_data=no_data,
    )


def _condition_spec(policy: Node, known: Index) -> Node | None:
    conditions = policy.get("conditions")
    for item in conditions.items() if conditions else []:
        if ref := item.get("conditionRef"):
            there = known.get(("AlertCondition", str(ref.value)))
            return there.node.get("spec") if there and there.sound else None
        return item.get("spec")
    return None


def _breaches(policy: Node) -> bool:
    """Whoever writes none of the three wants to be told; whoever writes some says which."""
    return _is_true(policy, "alertWhenBreaching") or not any(policy.get(key) for key in _WHEN)


def _is_true(policy: Node, key: str) -> bool:
    value = policy.get(key)
    return value is not None and value.value is True


def _no_effect(burn: Node) -> str | None:
    """Why a condition is not judged."""
    op, threshold = burn.text("op"), burn.get("threshold")
    if op not in ("gt", "gte"):
        return f"op {op} asks for a budget that burns slowly: write gt or gte"
    if threshold is None or threshold.value <= 0:
        return "threshold must be above 0"
    if not 0 < parse_openslo(burn.text("lookbackWindow")) <= HOURS.retention:
        return f"lookbackWindow must be from 1m to {HOURS.retention // DAY}d"
    return None
