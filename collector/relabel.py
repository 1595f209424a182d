"""Relabelling with the semantics of Prometheus's relabel_configs: pure, over plain mappings of names to values.

A label with an empty value does not exist. Regular expressions are RE2 and anchored at both ends. What a rule may
say is checked in `collector.settings.RelabelRule`; here it is only done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from collector.settings import RelabelRule
from core.matchers import compile_re2

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))?")
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Rule:
    """One rule, ready to be applied; `regex` is compiled."""

    given: RelabelRule
    regex: Any


@lru_cache
def compile_rules(given: tuple[RelabelRule, ...]) -> tuple[Rule, ...]:
    """Rules in the order in which they are applied."""
    return tuple(Rule(one, compile_re2(one.regex)) for one in given)


def relabel(labels: Mapping[str, str], rules: Sequence[Rule]) -> dict[str, str] | None:
    """The labels after all rules; None where a rule dropped them."""
    result = {name: value for name, value in labels.items() if value}
    for rule in rules:
        value = rule.given.separator.join(result.get(name, "") for name in rule.given.source_labels)
        if not _ACTIONS[rule.given.action](rule, result, value):
            return None
    return result


def may_change(rules: Iterable[Rule], name: str) -> bool:
    """Whether any of the rules could give another value to a label of this name, or take it away."""
    return any(_may_change(rule, name) for rule in rules)


def _may_change(rule: Rule, name: str) -> bool:
    given = rule.given
    match given.action:
        case "keep" | "drop" | "keepequal" | "dropequal":
            return False
        case "labeldrop":
            return rule.regex.fullmatch(name) is not None
        case "labelkeep":
            return rule.regex.fullmatch(name) is None
        case "labelmap":
            return "$" in given.replacement or given.replacement == name
        case _:
            return "$" in given.target_label or given.target_label == name


def is_label_name(text: str) -> bool:
    """Whether a text is a label name of the classic alphabet."""
    return _NAME.fullmatch(text) is not None


# The actions: each changes the labels in place, and says whether they are kept.


def _keep(rule: Rule, labels: dict[str, str], value: str) -> bool:
    return rule.regex.fullmatch(value) is not None


def _drop(rule: Rule, labels: dict[str, str], value: str) -> bool:
    return rule.regex.fullmatch(value) is None


def _keep_equal(rule: Rule, labels: dict[str, str], value: str) -> bool:
    return labels.get(rule.given.target_label, "") == value


def _drop_equal(rule: Rule, labels: dict[str, str], value: str) -> bool:
    return labels.get(rule.given.target_label, "") != value


def _replace(rule: Rule, labels: dict[str, str], value: str) -> bool:
    match = rule.regex.fullmatch(value)
    if match is None:
        return True
    target = expand(rule.given.target_label, match)
    result = expand(rule.given.replacement, match)
    if is_label_name(target) and result:
        labels[target] = result
    else:
        labels.pop(rule.given.target_label, None)  # the name as it is written, as Prometheus does
    return True


def _lowercase(rule: Rule, labels: dict[str, str], value: str) -> bool:
    return _set(labels, rule.given.target_label, "".join(map(_lower, value)))


def _uppercase(rule: Rule, labels: dict[str, str], value: str) -> bool:
    return _set(labels, rule.given.target_label, "".join(map(_upper, value)))


def _hashmod(rule: Rule, labels: dict[str, str], value: str) -> bool:
    digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
    return _set(labels, rule.given.target_label, str(int.from_bytes(digest[8:], "big") % rule.given.modulus))


def _labelmap(rule: Rule, labels: dict[str, str], value: str) -> bool:
    for name in sorted(labels):
        match = rule.regex.fullmatch(name)
        if match is not None:
            _set(labels, expand(rule.given.replacement, match), labels[name])
    return True


def _labeldrop(rule: Rule, labels: dict[str, str], value: str) -> bool:
    for name in [name for name in labels if rule.regex.fullmatch(name) is not None]:
        del labels[name]
    return True


def _labelkeep(rule: Rule, labels: dict[str, str], value: str) -> bool:
    for name in [name for name in labels if rule.regex.fullmatch(name) is None]:
        del labels[name]
    return True


_ACTIONS: Mapping[str, Callable[[Rule, dict[str, str], str], bool]] = {
    "replace": _replace,
    "keep": _keep,
    "drop": _drop,
    "keepequal": _keep_equal,
    "dropequal": _drop_equal,
    "hashmod": _hashmod,
    "labelmap": _labelmap,
    "labeldrop": _labeldrop,
    "labelkeep": _labelkeep,
    "lowercase": _lowercase,
    "uppercase": _uppercase,
}


def _set(labels: dict[str, str], name: str, value: str) -> bool:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)
    return True


# Texts, as Go's regexp and strings have them.


def expand(template: str, match: Any) -> str:
    """Go's Regexp.Expand: `$1`, `$name` (as long as letters, digits and _ go on), `${name}`, `$$`; what does not exist
    is empty."""
    return _REFERENCE.sub(lambda reference: _referred(reference, match), template) if "$" in template else template


def _referred(reference: re.Match[str], match: Any) -> str:
    if reference[1]:
        return "$"
    name = reference[2] or reference[3]
    if name is None:
        return "$"  # malformed: taken as it is
    number = _number(name)
    if number is None:
        return str(match.group(name) or "") if name in match.re.groupindex else ""
    return str(match.group(number) or "") if number <= match.re.groups else ""


def _number(name: str) -> int | None:
    """The group's number; a leading zero makes it a name."""
    plain = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0")
    return int(name) if plain and len(name) <= _MOST_DIGITS else None


@cache
def _lower(char: str) -> str:
    """One character for one, as Go maps them: İ is i."""
    return char.lower()[0]


@cache
def _upper(char: str) -> str:
    """One character for one, as Go maps them: ß has no capital."""
    found = char.upper()
    if len(found) > 1:
        found = char.title()
    return found if len(found) == 1 else char
