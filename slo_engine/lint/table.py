"""Every rule, and running them."""

from __future__ import annotations

from slo_engine.lint.facts import Facts
from slo_engine.lint.model import Finding, Report, Rule, Subject, Unchecked
from slo_engine.lint.rules import (
    bucket_bound,
    cardinality,
    dead_alert,
    dependency,
    dropped_key,
    low_traffic,
    reversed_condition,
    same_query,
)
from slo_engine.specs.openslo import SpecSet

RULES: tuple[Rule, ...] = (
    dead_alert.RULE,
    reversed_condition.RULE,
    same_query.RULE,
    bucket_bound.RULE,
    low_traffic.RULE,
    dependency.RULE,
    dropped_key.RULE,
    cardinality.RULE,
)


def lint(specs: SpecSet, facts: Facts) -> Report:
    """Every finding in the order of file and line; what is no valid file is only named."""
    subject, findings, unchecked = Subject(specs, facts), set[Finding](), []
    for rule in RULES:
        for found in rule.check(subject):
            if isinstance(found, str):
                unchecked.append(Unchecked(rule.id, found))
            else:
                severity = found.severity or rule.severity
                place = found.place
                findings.add(Finding(place.file, place.line, rule.id, severity, found.message, found.advice))
    return Report(tuple(sorted(findings)), tuple(unchecked), specs.catalogue.problems)
