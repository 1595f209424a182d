"""An alert that can never fire: its factor asks for an error ratio of 100 % or more.

A burn rate is error ratio ÷ (1 − target), and an error ratio ends at 1. So a condition above a factor f is dead where
f ≥ 1 ÷ (1 − target): 14.4 at targets of 93 % and under.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from slo_engine.lint.looking import conditions, place_of
from slo_engine.lint.model import Hit, Rule, Subject
from slo_engine.specs.indicators import exact
from slo_engine.specs.model import Composite, Slo, SumRatio


def check(subject: Subject) -> Iterator[Hit | str]:
    """Conditions of OpenSLO, Burnline's own rows, and the alerts that another tool would make of its own file."""
    yield from _conditions(subject)
    yield from _own(subject)
    yield from _peers(subject)


def _conditions(subject: Subject) -> Iterator[Hit]:
    slos = subject.specs.catalogue.slos
    for condition in conditions(subject.specs):
        threshold, op = condition.node.get("threshold"), condition.node.text("op")
        if threshold is None or op not in ("gt", "gte"):
            continue
        factor = exact(threshold.value)
        for slo in (slo for slo in slos if slo.group == condition.slo and _ends(slo)):
            highest = 1 / slo.budget
            if factor > highest or (factor == highest and op == "gt"):
                yield Hit(place_of(threshold), _says(f"a burn rate {_words(op)} {_number(factor)}", slo), _advice(slo))


def _own(subject: Subject) -> Iterator[Hit]:
    """The burn tables reach every target but 0."""
    for slo in subject.specs.catalogue.slos:
        if _ends(slo) and slo.budget == 1 and slo.alerting.enabled and (slo.alerting.page or slo.alerting.ticket):
            message = f"no alert of {slo.name} can ever fire: a target of 0 promises nothing"
            yield Hit(slo.source, message, "write a target above 0, or switch page and ticket off")


def _peers(subject: Subject) -> Iterator[Hit]:
    for item in subject.specs.objects:
        for slo in (slo for slo in subject.specs.catalogue.slos if item.origin and slo.group == item.name):
            dead = [alert for alert in item.origin.alerts if alert.factor * slo.budget >= 1] if item.origin else []
            if dead and item.origin:
                rows = ", ".join(f"{_number(alert.factor)} ({alert.severity}, {alert.windows})" for alert in dead)
                message = _says(f"{item.origin.tool}'s own alert above {rows}", slo)
                advice = "Burnline takes rows that can fire at this target, and the tool's rules need a stricter target"
                yield Hit(slo.source, message, advice, "warning")


def _ends(slo: Slo) -> bool:
    """Whether its burn rate has a highest value: a price has none; a composite's is that of its parts."""
    return not isinstance(slo.indicator, SumRatio | Composite) and slo.budget > 0


def _says(alert: str, slo: Slo) -> str:
    return f"{alert} can never fire: at {float(slo.objective_exact):.6g} a burn rate ends at {_number(1 / slo.budget)}"


def _advice(slo: Slo) -> str:
    return f"write a threshold under {_number(1 / slo.budget)}, such as {_number(Fraction(3, 4) / slo.budget)}"


def _words(op: str) -> str:
    return "over" if op == "gt" else "of at least"


def _number(value: Fraction) -> str:
    return f"{float(value):.4g}"


RULE = Rule("dead-alert", "error", "an alert that can never fire: its factor is at least 1 / (1 - target)", check)
