"""Objects as a set: no name twice, and every reference leads to an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from slo_engine.specs.files import Object
from slo_engine.specs.node import Node, nearest

Index = Mapping[tuple[str, str], Object]


def index(objects: Sequence[Object]) -> Index:
    """Objects by kind and name; the second of a name is reported at its own place."""
    known: dict[tuple[str, str], Object] = {}
    for item in objects:
        key = (item.kind, item.name)
        if not item.name:
            continue
        if key in known:
            first = known[key].node
            name = item.node.at("metadata", "name") or item.node
            name.report(f"{item.kind} {item.name!r} exists already at {first.document.place(first.path)}")
        else:
            known[key] = item
    return known


def check_references(objects: Sequence[Object], known: Index) -> None:
    """Report every reference that no object answers to."""
    for item in objects:
        for kind, node in _references(item):
            if isinstance(node.value, str) and (kind, node.value) not in known:
                names = [name for of, name in known if of == kind]
                hint = nearest(node.value, names) if names else "; none is in these files"
                node.report(f"no {kind} is named {node.value!r}{hint}")


def _references(item: Object) -> Iterator[tuple[str, Node]]:
    spec = item.node.get("spec")
    if spec is None:
        return
    if item.kind == "AlertPolicy":
        yield from _of_policy(spec)
    if item.kind == "SLO":
        yield from _of_slo(spec)


def _of_slo(spec: Node) -> Iterator[tuple[str, Node]]:
    for holder in (spec, *_items(spec, "objectives")):
        if ref := holder.get("indicatorRef"):
            yield "SLI", ref
    for policy in _items(spec, "alertPolicies"):
        if ref := policy.get("alertPolicyRef"):
            yield "AlertPolicy", ref
        if inline := policy.get("spec"):
            yield from _of_policy(inline)


def _of_policy(spec: Node) -> Iterator[tuple[str, Node]]:
    for key, ref_key, kind in (
        ("conditions", "conditionRef", "AlertCondition"),
        ("notificationTargets", "targetRef", "AlertNotificationTarget"),
    ):
        for item in _items(spec, key):
            if ref := item.get(ref_key):
                yield kind, ref


def _items(node: Node, key: str) -> list[Node]:
    value = node.get(key)
    return value.items() if value else []
