"""docs/slo-lint.md and docs/slo-dialects.md say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from burnline.converting import ALL, LOSSES, WRONG
from slo_engine.lint import RULES
from slo_engine.specs.dialects.convert import DIALECTS

DOCS = Path(__file__).parents[3] / "docs"


def _rows(page: str) -> list[list[str]]:
    lines = [line for line in (DOCS / page).read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_rule_stands_in_the_table_with_its_severity_and_title() -> None:
    rows = [row for row in _rows("slo-lint.md") if row[0].startswith("`")]
    assert rows == [[f"`{rule.id}`", rule.severity, rule.title] for rule in RULES]


def test_every_dialect_stands_in_the_table_with_what_it_is_told_by() -> None:
    told = " ".join(row[1] for row in _rows("slo-dialects.md") if row[-1].endswith(".py`"))
    assert re.findall(r"`((?:version|apiVersion): [^`]+|error_budget_policies)`", told) == [d.told_by for d in DIALECTS]


def test_the_exit_codes_of_convert_are_those_of_the_page() -> None:
    codes = {int(row[0]) for row in _rows("slo-dialects.md") if row[0].isdigit()}
    assert codes == {ALL, WRONG, LOSSES, 2}
