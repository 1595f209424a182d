"""A value of a document that knows its place and files its own problems; and checks that are put together from checks.

A check is a function of a node that reports what is wrong and returns nothing. `null` counts as absent, and keys are
matched without regard to case: both as the Go reader of OpenSLO does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from core.yaml import Document, Path_
from slo_engine.specs.model import Problem

_NAMES: dict[type, str] = {
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}


_HUGE = 1e300
"""Numbers are turned into floats later, which end at 1.8e308; an integer of YAML may be longer."""


@dataclass(frozen=True)
class Node:
    """One value; `base` is how many steps of the path lead to the object that it belongs to.

    `exact`: the case of its keys matters, as it does to tools whose reader is not Go's JSON.
    """

    document: Document
    path: Path_
    value: Any
    found: list[Problem]
    base: int = 0
    exact: bool = False

    def report(self, message: str) -> None:
        """File a problem at this value's line, led by its path within the object."""
        name = self.name
        self.found.append(problem_at(self.document, self.path, f"{name}: {message}" if name else message))

    @property
    def name(self) -> str:
        """Dotted path within the object, such as `spec.objectives[0].op`."""
        text = ""
        for step in self.path[self.base :]:
            text += f"[{step}]" if isinstance(step, int) else f".{step}"
        return text.removeprefix(".")

    @property
    def type(self) -> str:
        """The value's type in words."""
        return _NAMES.get(type(self.value), "nothing")

    def get(self, key: str) -> Node | None:
        """The value of a key; None when this is no mapping, or the key is absent or null."""
        if not isinstance(self.value, dict):
            return None
        found = key if key in self.value or self.exact else self._spelt(key)
        return None if found is None or self.value.get(found) is None else self._step(found)

    def at(self, *keys: str) -> Node | None:
        """The value at the end of several keys; None where one is absent."""
        node: Node | None = self
        for key in keys:
            node = node.get(key) if node else None
        return node

    def text(self, key: str, default: str = "") -> str:
        """The text of a key that has been checked; the default where it is absent."""
        node = self.get(key)
        return node.value if node and isinstance(node.value, str) else default

    def items(self) -> list[Node]:
        """The items of a list; none when this is no list."""
        return [self._step(index) for index in range(len(self.value))] if isinstance(self.value, list) else []

    def entries(self) -> list[tuple[str, Node]]:
        """Keys and values of a mapping; none when this is no mapping."""
        return [(key, self._step(key)) for key in self.value] if isinstance(self.value, dict) else []

    def quiet(self) -> Node:
        """The same value, whose problems go nowhere: it has been checked before."""
        return replace(self, found=[])

    def _spelt(self, key: str) -> str | None:
        return next((there for there in self.value if there.lower() == key.lower()), None)

    def _step(self, step: str | int) -> Node:
        return Node(self.document, (*self.path, step), self.value[step], self.found, self.base, self.exact)


Check = Callable[[Node], None]


def problem_at(document: Document, path: Path_, message: str) -> Problem:
    """A problem at the line of a path, on one line."""
    place = document.place(path)
    return Problem(place.file, place.line, message.replace("\n", " "))


def nearest(word: str, options: Collection[str]) -> str:
    """`; did you mean 'x'?`, or the whole list where nothing is near."""
    by_lower = {option.lower(): option for option in options}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {by_lower[close[0]]!r}?"
    return f"; write one of {', '.join(sorted(options))}"


def struct(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    rules: tuple[Check, ...] = (),
) -> Check:
    """A mapping of known keys: required ones must be there and not empty, others are errors; then the rules."""
    needed = required or {}
    fields = {**needed, **(optional or {})}

    def check(node: Node) -> None:
        if not is_mapping(node):
            return
        _known_keys(node, fields)
        for key, inner in fields.items():
            value = node.get(key)
            if value is None or (key in needed and value.value == ""):
                if key in needed:
                    (value or node).report(f"{key} is required")
                continue
            inner(value)
        for rule in rules:
            rule(node)

    return check


def _known_keys(node: Node, fields: Mapping[str, Check]) -> None:
    known = {field.lower() for field in fields}
    seen: set[str] = set()
    for key, value in node.entries():
        if key.lower() not in known:
            value.report(f"unknown key {key!r}{nearest(key, fields)}")
        elif key.lower() in seen:
            value.report(f"the key {key!r} stands twice")
        seen.add(key.lower())


def each(check: Check) -> Check:
    """A list of which every item passes the check."""

    def check_list(node: Node) -> None:
        if not isinstance(node.value, list):
            node.report(f"must be a list, not {node.type}")
        for item in node.items():
            check(item)

    return check_list


def exactly_one(*keys: str) -> Check:
    """A rule on a mapping: one of the keys and no other of them."""

    def check(node: Node) -> None:
        there = [key for key in keys if node.get(key)]
        if len(there) != 1:
            had = "none is there" if not there else "both are there" if len(there) == 2 else f"{len(there)} are there"
            node.report(f"write exactly one of {' and '.join(keys)}: {had}")

    return check


def one_of(*options: str) -> Check:
    """A text that is one of the options."""

    def check(node: Node) -> None:
        if is_text(node) and node.value not in options:
            node.report(f"{node.value!r} is not valid{nearest(node.value, options)}")

    return check


def is_text(node: Node) -> bool:
    """Whether it is text; reports otherwise."""
    if isinstance(node.value, str):
        return True
    hint = ": put it in quotes" if isinstance(node.value, int | float) else ""
    node.report(f"must be text, not {node.type}{hint}")
    return False


def is_mapping(node: Node) -> bool:
    """Whether it is a mapping; reports otherwise."""
    if not isinstance(node.value, dict):
        node.report(f"must be a mapping, not {node.type}")
    return isinstance(node.value, dict)


def is_number(node: Node) -> bool:
    """Whether it is a finite number; reports otherwise."""
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        node.report(f"must be a number, not {node.type}")
        return False
    if not -_HUGE < node.value < _HUGE:  # false for NaN as well
        node.report("must be a finite number of an ordinary size")
        return False
    return True


def any_value(_: Node) -> None:
    """Whatever it is."""


def text(node: Node) -> None:
    """Any text."""
    is_text(node)


def number(node: Node) -> None:
    """Any finite number."""
    is_number(node)


def boolean(node: Node) -> None:
    """true or false."""
    if not isinstance(node.value, bool):
        hint = ": write it without quotes" if str(node.value).lower() in ("true", "false") else ""
        node.report(f"must be true or false, not {node.type}{hint}")
