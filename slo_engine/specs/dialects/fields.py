"""Checks and readings that several dialects share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from core.durations import DAY, HOUR, MINUTE, parse_prometheus
from core.errors import ParseError
from slo_engine.specs.dialects.port import Notes
from slo_engine.specs.node import Check, Node, is_mapping, is_number, is_text, nearest, text

Known = Mapping[str, Any]
"""Keys that a tool knows: to the keys below (lists are looked through), or to None where anything may stand below."""

_LABEL_KEY = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_LINK = re.compile(r"https?://\S+")
_RUNBOOKS = ("runbook", "runbook_url", "runbookURL")


def strangers(node: Node, known: Known) -> Iterator[tuple[Node, Collection[str]]]:
    """Every key that the tool does not know, with those that it would at its place."""
    spelt = {key if node.exact else key.lower(): below for key, below in known.items()}
    for item in node.items() or [node]:
        for written, value in item.entries():
            key = written if node.exact else written.lower()
            if key not in spelt:
                yield value, known
            elif spelt[key] is not None:
                yield from strangers(value, spelt[key])


def ignore_strangers(node: Node, known: Known, tool: str, notes: Notes) -> None:
    """Note every key that the tool drops silently."""
    for value, there in strangers(node, known):
        notes.ignored(value, f"{tool} does not know this key and drops it silently{nearest(_last(value), there)}")


def refuse_strangers(node: Node, known: Known) -> None:
    """Report every key that a strict tool refuses."""
    for value, there in strangers(node, known):
        value.report(f"unknown key {_last(value)!r}{nearest(_last(value), there)}")


def _last(node: Node) -> str:
    return str(node.path[-1])


def required(node: Node, key: str, check: Check = text) -> Node | None:
    """The value of a key that must be there, not be empty and pass a check; None once something was reported."""
    value = node.get(key)
    if value is None or value.value == "":
        (value or node).report(f"{key} is required")
        return None
    before = len(node.found)
    check(value)
    return value if len(node.found) == before else None


def mapping(node: Node) -> None:
    """A rule: it is a mapping."""
    is_mapping(node)


def required_text(node: Node, key: str) -> str:
    """The text of such a key; empty once something was reported."""
    value = required(node, key)
    return value.value.strip() if value else ""


def percent(node: Node | None) -> float | None:
    """A target from over 0 to under 100; None once something was reported."""
    if node is None or not is_number(node):
        return None
    value: float = node.value
    if not 0 < value < 100:
        why = ": without a budget nothing can burn, and its own tool divides by zero" if value == 100 else ""
        node.report(f"must be above 0 and below 100, not {value}{why}")
        return None
    return value


def seconds(node: Node) -> float | None:
    """A Prometheus duration above 0; None once something was reported."""
    if not is_text(node):
        return None
    try:
        value = parse_prometheus(node.value)
    except (ParseError, ValueError) as error:
        node.report(str(error))
        return None
    if value <= 0:
        node.report(f"must be longer than nothing, not {node.value!r}")
    return value if value > 0 else None


def openslo_duration(length: float) -> str | None:
    """Seconds in OpenSLO's notation, in days where they are whole; None where they are no whole minutes."""
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if length % unit == 0:
            return f"{int(length // unit)}{letter}"
    return None


def text_map(node: Node | None, *, loose: bool = False) -> dict[str, str]:
    """A mapping of text to text; what is none is reported and left out. `loose`: numbers and booleans are text, too."""
    if node is None or not is_mapping(node):
        return {}
    found: dict[str, str] = {}
    for key, value in node.entries():
        if loose and isinstance(value.value, int | float):
            found[key] = str(value.value).lower()
        elif value.value is not None and is_text(value):
            found[key] = value.value
    return found


def labels_of(node: Node | None, notes: Notes, *, loose: bool = False) -> dict[str, str]:
    """Labels that OpenSLO can hold; those with a prefix are said to be lost."""
    found = text_map(node, loose=loose)
    for key in [key for key in found if not _LABEL_KEY.fullmatch(key)]:
        value = node.get(key) if node else None
        if value:
            notes.lost(value, f"OpenSLO has no labels with a prefix: {key}={found.pop(key)!r} is left out")
    for value in (inner for key, inner in (node.entries() if node else []) if "{{" in found.get(key, "")):
        notes.lost(value, "is a Go template, which nothing fills in here: it stays as it was written")
    return found


def runbook(node: Node | None) -> tuple[str, str] | None:
    """The key and link of a runbook among an alert's annotations."""
    there = text_map(node.quiet()) if node else {}
    return next(((key, there[key]) for key in _RUNBOOKS if _LINK.fullmatch(there.get(key, ""))), None)


def flag(node: Node | None, key: str, *, default: bool) -> bool:
    """A boolean that may be absent; what is none is reported."""
    value = node.get(key) if node else None
    if value is None:
        return default
    if not isinstance(value.value, bool):
        value.report(f"must be true or false, not {value.type}")
        return default
    return value.value
