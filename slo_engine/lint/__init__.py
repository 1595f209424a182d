"""Advice on SLO files that are valid: alerts that cannot fire, thresholds that no bucket has, windows without traffic.

`rules/` has a file a rule, `table.py` lists them; `ledger.py` reads what the fleet really counts.
"""

from __future__ import annotations

from slo_engine.lint.facts import Facts
from slo_engine.lint.model import Finding, Report, Rule, Unchecked
from slo_engine.lint.table import RULES, lint

__all__ = ["RULES", "Facts", "Finding", "Report", "Rule", "Unchecked", "lint"]
