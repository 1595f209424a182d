"""Where rules find things in objects: the SLI of an SLO, its metrics, and the conditions of its alert policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from core.errors import Place
from slo_engine.specs.files import Object
from slo_engine.specs.model import Slo
from slo_engine.specs.node import Node
from slo_engine.specs.openslo import SpecSet

PARTS = ("good", "bad", "total", "raw")


class Condition(NamedTuple):
    """A burn-rate condition: its node, and the name of the SLO that it belongs to (empty for one by itself)."""

    node: Node
    slo: str


def place_of(node: Node) -> Place:
    """Where a node stands."""
    return node.document.place(node.path)


def slis(specs: SpecSet) -> Iterator[Node]:
    """Every SLI that is written somewhere, once."""
    for item in specs.objects:
        spec = item.node.get("spec")
        if spec is None or not item.sound:
            continue
        if item.kind == "SLI":
            yield spec
        for holder in (spec, *_items(spec, "objectives")) if item.kind == "SLO" else ():
            if sli := holder.at("indicator", "spec"):
                yield sli


def metrics(sli: Node) -> Iterator[Node]:
    """The metric sources of an SLI."""
    places = [("thresholdMetric",), *(("ratioMetric", part) for part in PARTS)]
    for place in places:
        if source := sli.at(*place, "metricSource"):
            yield source


def by_place(specs: SpecSet, slo: Slo) -> Place:
    """Where the `by` of an SLO stands; the SLO itself where it has none of its own."""
    item = specs.known.get(("SLO", slo.group))
    sli = _sli(specs, item) if item else None
    found = [by for source in metrics(sli) if (by := source.at("spec", "by"))] if sli else []
    return place_of(found[-1]) if found else slo.source


def conditions(specs: SpecSet) -> Iterator[Condition]:
    """Every condition with each SLO that uses it, and those that none uses with an empty name."""
    used: set[Place] = set()
    for item in specs.objects:
        spec = item.node.get("spec")
        if item.kind == "SLO" and item.sound and spec:
            for node in _of_slo(specs, spec):
                used.add(place_of(node))
                yield Condition(node, item.name)
    for item in specs.objects:
        for node in _own(specs, item):
            if place_of(node) not in used:
                used.add(place_of(node))
                yield Condition(node, "")


def _own(specs: SpecSet, item: Object) -> Iterator[Node]:
    spec = item.node.get("spec")
    if not item.sound or spec is None:
        return
    if item.kind == "AlertPolicy":
        yield from _of_policy(specs, spec)
    if item.kind == "AlertCondition" and (node := spec.get("condition")):
        yield node


def _of_slo(specs: SpecSet, spec: Node) -> Iterator[Node]:
    for policy in _items(spec, "alertPolicies"):
        if resolved := _resolved(specs, policy, "alertPolicyRef", "AlertPolicy"):
            yield from _of_policy(specs, resolved)


def _of_policy(specs: SpecSet, policy: Node) -> Iterator[Node]:
    for item in _items(policy, "conditions"):
        resolved = _resolved(specs, item, "conditionRef", "AlertCondition")
        if resolved and (node := resolved.get("condition")):
            yield node


def _resolved(specs: SpecSet, holder: Node, ref: str, kind: str) -> Node | None:
    """The spec that stands inline or behind a reference."""
    if inline := holder.get("spec"):
        return inline
    item = specs.known.get((kind, holder.text(ref)))
    return item.node.get("spec") if item and item.sound else None


def _sli(specs: SpecSet, item: Object) -> Node | None:
    spec = item.node.get("spec")
    if spec is None:
        return None
    if inline := spec.at("indicator", "spec"):
        return inline
    named = specs.known.get(("SLI", spec.text("indicatorRef")))
    return named.node.get("spec") if named else None


def _items(node: Node, key: str) -> list[Node]:
    value = node.get(key)
    return value.items() if value else []
