"""What follows when a budget runs low: the annotation `burnline/budget-policy: notify below 50%, freeze below 0%`."""

from __future__ import annotations

import re
from fractions import Fraction

from slo_engine.specs.model import BudgetPolicy
from slo_engine.specs.node import Node, nearest

KEY = "burnline/budget-policy"
CONSEQUENCES = ("notify", "ticket", "freeze")
HIGHEST = Fraction(95, 100)
"""An alert ends two points above its level, which has to be a budget that can be had."""
_LOWEST_FREEZE = Fraction(-10)

_PART = re.compile(r"(\S+)\s+below\s+(-?[0-9]{1,4}(?:\.[0-9]{1,4})?)\s*%")
_HOW = "write consequences with a comma between them, as notify below 50%, ticket below 25%, freeze below 0%"


def read_budget_policy(slo: Node) -> BudgetPolicy | None:
    """The policy of an SLO; None where it has none, or a broken one, which is reported."""
    node = slo.at("metadata", "annotations", KEY)
    if node is None:
        return None
    levels: dict[str, Fraction] = {}
    for part in str(node.value).split(","):
        if fault := _add(part.strip(), levels):
            node.report(fault)
            return None
    return BudgetPolicy(levels.get("notify"), levels.get("ticket"), levels.get("freeze", Fraction(0)))


def _add(part: str, levels: dict[str, Fraction]) -> str | None:
    """Take in one consequence; what is wrong with it otherwise."""
    found = _PART.fullmatch(part)
    if found is None:
        return f"{part!r} is no consequence: {_HOW}"
    name, level = found[1], Fraction(found[2]) / 100
    if name not in CONSEQUENCES:
        return f"{name!r} is no consequence{nearest(name, CONSEQUENCES)}"
    if name in levels:
        return f"{name} stands twice: write each consequence once"
    lowest = _LOWEST_FREEZE if name == "freeze" else Fraction(0)
    if not lowest <= level <= HIGHEST:
        return f"{name} is possible below {_percent(lowest)} to {_percent(HIGHEST)}, not {found[2]}%"
    levels[name] = level
    return None


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):g}%"
