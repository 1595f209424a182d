"""Relabelling configurations and label sets made at random, from a small vocabulary so that rules meet labels."""

from __future__ import annotations

from random import Random
from typing import Any

from pydantic import ValidationError

from collector.settings import RelabelRule

NAMES = ("x", "y", "zone", "job", "instance", "__meta_x", "__meta_y", "__tmp", "__address__", "_")
VALUES = ("", "a", "b", "ab", "A-b", "a;b", "1", "10.0.0.1:80", "x", "zone", "ü", "$1", "a b")
REGEXES = (
    "(.*)",
    "(.+)",
    "a",
    "a|ab",
    "(a)(b)?",
    "(?P<first>.)(.*)",
    "",
    "x|y",
    "__meta_(.+)",
    "(.*);(.*)",
    "[^a]+",
    "(",
)
REPLACEMENTS = ("$1", "${1}", "$2$1", "${first}_", "x_$1", "$1x", "", "const", "$$", "${1", "$0", "ü$1")
TARGETS = (*NAMES, "$1", "x_$1", "${first}", "bad-name", "")
ACTIONS = (
    *("replace", "replace", "replace", "keep", "drop", "keepequal", "dropequal", "hashmod"),
    *("labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase"),
)


def labels(random: Random, number: int) -> dict[str, str]:
    """A label set with an address of its own."""
    chosen = {name: random.choice(VALUES) for name in random.sample(NAMES[:8], random.randint(0, 6))}
    return {**chosen, "__address__": f"h{number}:{random.randint(1, 99)}"}


def rule(random: Random, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """A rule that can be used."""
    while True:
        made = _rule(random, names)
        try:
            RelabelRule.model_validate(made)
        except ValidationError:
            continue
        return made


def _rule(random: Random, names: tuple[str, ...]) -> dict[str, Any]:
    action = random.choice(ACTIONS)
    rule: dict[str, Any] = {"action": action}
    if action in ("labeldrop", "labelkeep"):
        # Without its internal labels a target is not scraped at all: mostly leave them.
        rule["regex"] = random.choice(REGEXES) + ("" if action == "labeldrop" else "|__.*")
        return rule
    rule["source_labels"] = random.sample(names, random.randint(0, 3))
    if action in ("replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"):
        rule["target_label"] = random.choice(TARGETS)
    if action == "hashmod":
        rule["modulus"] = random.choice((1, 2, 7, 2**64 - 1))
    if action not in ("keepequal", "dropequal"):
        rule |= _optional(random, "regex", REGEXES) | _optional(random, "separator", (";", "", "-", ";;"))
    if action in ("replace", "labelmap"):
        rule |= _optional(random, "replacement", REPLACEMENTS)
    return rule


def _optional(random: Random, name: str, among: tuple[str, ...]) -> dict[str, str]:
    return {name: random.choice(among)} if random.random() < 0.7 else {}
