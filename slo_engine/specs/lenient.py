"""What OpenSLO's text or its old JSON Schema allow, and its Go SDK refuses, written as the SDK wants it.

Done to documents before anything is checked, so that no rule knows of it. Each change is noted with its place.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from core.errors import Place
from core.yaml import Document
from slo_engine.specs.dialects import API_VERSION, Notes, Remark, version_of
from slo_engine.specs.node import Node

DEFAULT_WINDOW = "28d"
"""Where timeWindow is missing: OpenSLO calls it optional and names no default; four whole weeks hold equal weekdays."""


class Leniency(NamedTuple):
    """One change, and the place of the object that it was made in."""

    of: Place
    remark: Remark


def loosen(documents: Sequence[Document]) -> tuple[list[Document], list[Leniency]]:
    """Copies of the documents as the SDK wants them, and every change. Other dialects are left as they are."""
    copies = [Document(document.file, copy.deepcopy(document.value), document.lines) for document in documents]
    objects = [node for document in copies for node in _objects(document)]
    ratios = {name for node in objects if (name := _ratio_name(node))}
    changes = []
    for node in objects:
        notes = Notes()
        _loosen(node, ratios, notes)
        changes += [Leniency(node.document.place(node.path), remark) for remark in notes.remarks]
    return copies, changes


def _objects(document: Document) -> Iterator[Node]:
    values = document.value if isinstance(document.value, list) else [document.value]
    for index, value in enumerate(values):
        if version_of(value) == API_VERSION:
            path = (index,) if isinstance(document.value, list) else ()
            yield Node(document, path, value, [], len(path))


def _ratio_name(node: Node) -> str:
    """The name of an SLI that is a ratio; empty for anything else."""
    metadata = node.get("metadata")
    is_ratio = node.text("kind") == "SLI" and node.at("spec", "ratioMetric")
    return metadata.text("name") if metadata and is_ratio else ""


def _loosen(node: Node, ratios: set[str], notes: Notes) -> None:
    spec = node.get("spec")
    if spec is None:
        return
    if node.text("kind") == "AlertCondition":
        _condition(spec, notes)
    if node.text("kind") == "AlertPolicy":
        _policy(spec, notes)
    if node.text("kind") == "SLO":
        _window(spec, notes)
        _objectives(spec, ratios, notes)
        _policies(spec, notes)


def _window(spec: Node, notes: Notes) -> None:
    windows = spec.get("timeWindow")
    if isinstance(spec.value, dict) and (windows is None or windows.value == []):
        notes.lenient(spec, f"timeWindow is missing: {DEFAULT_WINDOW}, rolling, is taken")
        _put(spec, "timeWindow", [{"duration": DEFAULT_WINDOW, "isRolling": True}])


def _objectives(spec: Node, ratios: set[str], notes: Notes) -> None:
    for objective in _items(spec, "objectives"):
        window = objective.get("timeSliceWindow")
        if window and isinstance(window.value, int) and not isinstance(window.value, bool):
            notes.lenient(window, f"{window.value} is read as {window.value}m: a number is minutes")
            _put(objective, "timeSliceWindow", f"{window.value}m")
        if _is_ratio(objective, ratios) or (not _has_sli(objective) and _is_ratio(spec, ratios)):
            _drop_comparison(objective, notes)


def _has_sli(holder: Node) -> bool:
    return bool(holder.get("indicator") or holder.get("indicatorRef"))


def _is_ratio(holder: Node, ratios: set[str]) -> bool:
    ref = holder.get("indicatorRef")
    named = ref is not None and isinstance(ref.value, str) and ref.value in ratios
    return named or holder.at("indicator", "spec", "ratioMetric") is not None


def _drop_comparison(objective: Node, notes: Notes) -> None:
    for key in ("op", "value"):
        if value := objective.get(key):
            notes.lenient(value, "is left out: a ratio compares nothing")
            _put(objective, key, None)


def _policies(spec: Node, notes: Notes) -> None:
    policies = spec.get("alertPolicies")
    for index, policy in enumerate(policies.items() if policies else []):
        if isinstance(policy.value, str) and policies:
            notes.lenient(policy, f"{policy.value!r} is read as the name of an AlertPolicy")
            policies.value[index] = {"alertPolicyRef": policy.value}
        elif inline := policy.get("spec"):
            _policy(inline, notes)


def _policy(spec: Node, notes: Notes) -> None:
    for condition in _items(spec, "conditions"):
        if inline := condition.get("spec"):
            _condition(inline, notes)


def _condition(spec: Node, notes: Notes) -> None:
    condition = spec.get("condition")
    if condition and isinstance(condition.value, dict) and not condition.get("kind"):
        notes.lenient(condition, "kind is missing: burnrate is taken, the only one there is")
        _put(condition, "kind", "burnrate")


def _items(node: Node, key: str) -> list[Node]:
    value = node.get(key)
    return value.items() if value else []


def _put(node: Node, key: str, value: Any) -> None:
    """Set a key of the copy, however it is spelt there."""
    spelt = next((there for there in node.value if there.lower() == key.lower()), key)
    node.value[spelt] = value
