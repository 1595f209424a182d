"""A target that is stricter than what it depends on can keep: parts in a row keep the product of their targets."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import prod

from core.errors import Place
from slo_engine.lint.looking import place_of
from slo_engine.lint.model import Hit, Rule, Subject
from slo_engine.specs.model import Composite, Slo, SumRatio
from slo_engine.specs.node import nearest
from slo_engine.specs.reading import PREFIX

KEY = f"{PREFIX}depends-on"


def check(subject: Subject) -> Iterator[Hit | str]:
    """SLOs that name what they depend on, among all that are read together."""
    targets = _targets(subject.specs.catalogue.slos)
    for slo in subject.specs.catalogue.slos:
        names = slo.depends_on
        known = [name for name in names if name in targets and name not in (slo.name, slo.group)]
        place = _place(subject, slo)
        for name in sorted(set(names) - set(known)):
            message = f"{slo.name} depends on {name!r}, which is no other SLO of these files"
            yield Hit(place, message, f"name an SLO that is read together with it{nearest(name, targets)}")
        kept = prod((targets[name] for name in known), start=Fraction(1))
        if slo.objective_exact > kept:
            yield Hit(place, _says(slo, known, targets, kept), f"promise at most {_percent(kept)}, or depend on less")


def _targets(slos: tuple[Slo, ...]) -> dict[str, Fraction]:
    """Targets by name; several objectives of one name count as their strictest."""
    found: dict[str, Fraction] = {}
    for slo in slos:
        if not isinstance(slo.indicator, SumRatio | Composite):
            found[slo.name] = slo.objective_exact
            found[slo.group] = max(found.get(slo.group, Fraction(0)), slo.objective_exact)
    return found


def _place(subject: Subject, slo: Slo) -> Place:
    item = subject.specs.known.get(("SLO", slo.group))
    node = item.node.at("metadata", "annotations", KEY) if item else None
    return place_of(node) if node else slo.source


def _says(slo: Slo, names: list[str], targets: dict[str, Fraction], kept: Fraction) -> str:
    parts = ", ".join(f"{name} ({_percent(targets[name])})" for name in names)
    return f"{slo.name} promises {_percent(slo.objective_exact)}, but {parts} in a row keep {_percent(kept)}"


def _percent(value: Fraction) -> str:
    return f"{float(value) * 100:.6g} %"


RULE = Rule("dependency", "warning", "a target that is stricter than the product of its dependencies' targets", check)
