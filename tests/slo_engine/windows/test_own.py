"""Burn tables that people write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from core.durations import DAY, HOUR
from core.errors import ConfigError
from slo_engine.windows import policy_for
from slo_engine.windows.own import policy_by, read_table

WORKBOOK = (Path(__file__).parents[3] / "slo_engine" / "windows" / "workbook.yaml").read_text()
ROW = "rows:\n  - {severity: page, long: 1h, short: 5m, budget_percent: 2}\n"


def test_burnlines_own_table_read_as_a_file_gives_burnlines_own_policy(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(WORKBOOK)
    table = read_table(tmp_path / "own.yaml")
    for period in (28 * DAY, 30 * DAY, 90 * DAY):
        assert policy_by(table, Fraction(1, 1000), period) == policy_for(Fraction(999, 1000), period)


def test_windows_shrink_with_a_period_that_is_shorter_than_the_tables(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("period: 30d\n" + ROW)
    (row,) = policy_by(read_table(tmp_path / "own.yaml"), Fraction(1, 100), 15 * DAY).rows
    assert (row.long, row.short, row.factor) == (HOUR // 2, 180, Fraction(144, 10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("period: 30d\nrows: []\n", r"own.yaml:2: rows: must be a list"),
        ("rows:\n  - {}\n", r"period is missing"),
        ("period: 30 days\n" + ROW, r"own.yaml:1: period: '30 days' is not"),
        ("period: 0d\n" + ROW, r"own.yaml:1: period: 0d must be 1m to 400d"),
        ("period: 30d\nrow: 1\n" + ROW, r"own.yaml:2: row: 'row' is no key of a burn table"),
        ("period: 30d\nreach_percent: 0\n" + ROW, r"own.yaml:2: reach_percent: must be over 0"),
        ("period: 30d\n" + ROW.replace("page", "sms"), r"own.yaml:3: rows.0.severity: must be page or ticket"),
        ("period: 30d\n" + ROW.replace("5m", "2h"), r"own.yaml:3: rows.0.short: 2h is longer than long, 1h"),
        ("period: 30d\n" + ROW.replace(": 2}", ": true}"), r"budget_percent: must be over 0"),
        ("period: 30d\nrows: [1]\n", r"own.yaml:2: rows.0: must be a mapping"),
        ("a: 1\n", r"is no burn table"),
        ("- 1\n", r"is no burn table"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_table(tmp_path / "own.yaml")
