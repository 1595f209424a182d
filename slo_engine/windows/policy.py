"""Burn policies: which windows, factors and severities an objective is watched with.

The tables beside this file are data, and say where their numbers come from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from core.durations import DAY, MINUTE, parse_openslo
from core.yaml import load_text

Severity = Literal["page", "ticket"]

LOW_TARGET = Fraction(95, 100)
"""At or under it low-targets.yaml is used: the workbook's quick page would need 72 % of all requests to be bad."""

SHORT_PERIOD = 28 * DAY
"""Under it short-periods.yaml is used: the workbook's shares give factors under 1, which fire without need."""


@dataclass(frozen=True)
class BurnRow:
    """Fires when both windows (seconds) burn more than `factor` times the sustainable rate.

    `budget_share` of the period's budget is spent when the long window gets there. `inclusive`: fires at the
    factor too. `hold`: seconds for which it must be so.
    """

    severity: Severity
    long: int
    short: int
    factor: Fraction
    budget_share: Fraction
    inclusive: bool = False
    hold: int = 0


@dataclass(frozen=True)
class BurnPolicy:
    """Every row of an objective; rows of one severity are alternatives."""

    rows: tuple[BurnRow, ...]


@dataclass(frozen=True)
class Table:
    """A data file: rows as they are at `period` (seconds), and the highest error ratio that a row may need."""

    period: int
    reach: Fraction
    rows: tuple[BurnRow, ...]


@cache
def policy_for(objective: Fraction | Decimal, window_seconds: int) -> BurnPolicy:
    """The rows for a target (0 to under 1) over a rolling window; every one of them can fire, as far as any can.

    ValueError for a target or a window that is no such thing.
    """
    budget = 1 - Fraction(objective)
    if not 0 < budget <= 1 or window_seconds <= 0:
        raise ValueError(f"no burn policy for a target of {objective} over {window_seconds} s")
    if window_seconds < SHORT_PERIOD:
        return scaled_to(_table("short-periods"), budget, window_seconds, shrink=True)
    return scaled_to(_table("low-targets" if 1 - budget <= LOW_TARGET else "workbook"), budget, window_seconds)


def scaled_to(table: Table, budget: Fraction, window_seconds: int, *, shrink: bool = False) -> BurnPolicy:
    """The rows of a table for a budget over a period: the same shares of it in the same windows; or, to `shrink`, the
    same factors with windows that are no longer than the period lets them be."""
    if shrink:
        rows = tuple(_shrunk(row, table.period, window_seconds) for row in table.rows)
    else:
        rows = tuple(_scaled(row, window_seconds) for row in table.rows)
    # Under a factor of 1 an alert would fire while the promise is kept.
    highest = max(Fraction(1), table.reach / budget)
    return BurnPolicy(tuple(_with_factor(row, min(row.factor, highest), window_seconds) for row in rows))


def workbook_for(window_seconds: int) -> BurnPolicy:
    """The workbook's rows whatever the target, by its formula alone; some of them may be unable to fire.

    ValueError for a window that is no such thing.
    """
    if window_seconds <= 0:
        raise ValueError(f"no burn policy over {window_seconds} s")
    return BurnPolicy(tuple(_scaled(row, window_seconds) for row in _table("workbook").rows))


def in_steps(policy: BurnPolicy, step: int) -> BurnPolicy:
    """The same factors over windows that are multiples of `step` (seconds), none narrower than before."""
    return BurnPolicy(tuple(_widened(row, step) for row in policy.rows))


def _widened(row: BurnRow, step: int) -> BurnRow:
    long, short = -(-row.long // step) * step, -(-row.short // step) * step
    return replace(row, long=long, short=short, budget_share=row.budget_share * long / row.long)


def _scaled(row: BurnRow, period: int) -> BurnRow:
    """The same share of the budget in the same windows of another period."""
    return _with_factor(row, row.budget_share * period / row.long, period)


def _shrunk(row: BurnRow, reference: int, period: int) -> BurnRow:
    """The same factor; the windows shrink with a period that is shorter than the reference, up to whole minutes."""
    share = min(Fraction(1), Fraction(period, reference))
    return BurnRow(row.severity, _minutes(row.long * share), _minutes(row.short * share), row.factor, row.budget_share)


def _minutes(seconds: Fraction) -> int:
    return -int(-seconds // MINUTE) * MINUTE


def _with_factor(row: BurnRow, factor: Fraction, period: int) -> BurnRow:
    return BurnRow(row.severity, row.long, row.short, factor, factor * row.long / period)


@cache
def _table(name: str) -> Table:
    text = (files("slo_engine.windows") / f"{name}.yaml").read_text(encoding="utf-8")
    value = load_text(text, f"windows/{name}.yaml")[0].value
    period = parse_openslo(value["period"])
    return Table(period, _percent(value["reach_percent"]), tuple(_row(row, period) for row in value["rows"]))


def _row(row: dict[str, Any], period: int) -> BurnRow:
    long, short, share = parse_openslo(row["long"]), parse_openslo(row["short"]), _percent(row["budget_percent"])
    return BurnRow(row["severity"], long, short, share * period / long, share)


def _percent(value: float) -> Fraction:
    return Fraction(Decimal(repr(value))) / 100
