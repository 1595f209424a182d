"""Budgets and burn rates of every SLO and group, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.durations import parse_prometheus
from dashboard import words
from dashboard.filters import Filters
from dashboard.markup import Cell, Html, bar, cell, range_bar, row, table, tag
from dashboard.sections.signs import heading, nothing, sign
from dashboard.snapshot import Snapshot

MOST = 60
"""Rows drawn: a fleet with thousands of groups is narrowed by filters, worst first in any case."""
_ORDER = ("firing", "pending", "no_data", "ok")
_SEEN = 0.95


def show(taken: Snapshot, filters: Filters) -> None:
    """The table, or why there is none."""
    rows = worst_first(one for one in taken.status if filters.takes(one["slo"]) and filters.covers(one["group"]))
    burning = sum(1 for one in rows if one["state"] in ("firing", "pending"))
    st.html(heading("Budgets", f"{burning} of {len(rows)} burn too fast" if rows else ""))
    if not rows:
        st.html(nothing(_why_empty(taken)))
        return
    windows = _windows(rows[:MOST])
    burns = [f"Burn {window}" for window in windows]
    heads = ["State", "SLO", "Objective", "Measured", "Budget left", *burns, "Coverage"]
    st.html(table(heads, (_row(one, windows) for one in rows[:MOST]), cls="bl-budgets"))
    if len(rows) > MOST:
        st.html(nothing(f"{len(rows) - MOST} more: narrow the page with filters to see them."))


def worst_first(rows: Any) -> list[dict[str, Any]]:
    """Firing, pending, without data, then the rest; inside a state the least budget first."""
    return sorted(rows, key=lambda one: (_rank(one["state"]), _left(one), one["slo"], str(one["group"])))


def _rank(state: str) -> int:
    return _ORDER.index(state) if state in _ORDER else len(_ORDER)


def _left(one: Mapping[str, Any]) -> float:
    left = one["budget_remaining"]
    return float("inf") if left is None else float(left)


def _why_empty(taken: Snapshot) -> str:
    if taken.status:
        return "No SLO fits the filters."
    return "No SLO was judged yet: the first evaluation comes with the first complete minute of counts."


def _windows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = {name for one in rows for name in one["burn_rates"]}
    return sorted(names, key=parse_prometheus)


def _row(one: Mapping[str, Any], windows: Sequence[str]) -> Html:
    state = str(one["state"]).replace("_", " ")
    name = cell(tag("strong", one["slo"]), tag("small", words.group(one["group"])))
    goal = "no ratio" if one["objective"] is None else words.percent(one["objective"], 1)
    head = [cell(sign(state)), name, cell(goal, tag("small", f"over {one['window']}"))]
    if one["total"] is None and not one.get("components"):
        text = f"{words.NOT_MEASURED}: {one['reason'] or 'no events'}"
        width = len(windows) + 2
        return row(*head, cell(text, cls="bl-unknown", span=width), _coverage(one))
    burns = [_burn(one, window) for window in windows]
    return row(*head, _measured(one), _budget(one), *burns, _coverage(one))


def _measured(one: Mapping[str, Any]) -> Cell:
    if parts := one.get("components"):
        return cell("composite", tag("small", f"of {len(parts)} SLOs"))
    if one["sli"] is None:
        return cell(words.NOT_MEASURED, cls="bl-unknown")
    value = words.percent(one["sli"]) if one["objective"] is not None else f"{one['sli']:.3g}"
    if one.get("interval"):
        return _estimated(one, value)
    inexact = ", not exact" if one.get("exact") is False else ""
    return cell(value, tag("small", f"of {words.count(one['total'])}{inexact}"))


def _estimated(one: Mapping[str, Any], value: str) -> Cell:
    """What was judged on a sample: the interval, and that no people's labels correct it."""
    low, high = one["interval"]
    between = f"{words.percent(low)} to {words.percent(high)}"
    note = f"{between} · {words.count(one['total'])} judged{'' if one.get('corrected') else ', uncorrected'}"
    return cell(value, range_bar(low, high, one["sli"], min(low, one["objective"] or low), 1.0), tag("small", note))


def _budget(one: Mapping[str, Any]) -> Cell:
    left = one["budget_remaining"]
    if left is None:
        return cell(words.NOT_MEASURED, cls="bl-unknown")
    cls = "bl-bad" if left <= 0 else "bl-warn" if left < 0.25 else "bl-good"
    text = words.percent(left, 0) if left > 0 else f"spent, {words.percent(-left, 0)} over"
    return cell(bar(left, cls), tag("small", text))


def _burn(one: Mapping[str, Any], window: str) -> Cell:
    if window not in one["burn_rates"]:
        return cell("not in policy", cls="bl-unknown")
    rate = one["burn_rates"][window]
    if rate is None:
        return cell(words.NOT_MEASURED, cls="bl-unknown")
    return cell(words.times(rate), cls="bl-number bl-over" if rate > 1 else "bl-number")


def _coverage(one: Mapping[str, Any]) -> Cell:
    coverage = one["coverage"]
    if coverage is None:
        return cell(words.NOT_MEASURED, cls="bl-unknown", title=one["reason"] or "")
    cls = "bl-info" if coverage >= _SEEN else "bl-warn"
    note = "" if coverage >= _SEEN else " blind" if coverage < 0.5 else " partial"
    return cell(bar(coverage, cls), tag("small", words.percent(coverage, 0) + note))
