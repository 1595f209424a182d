"""Error budgets in a list that anybody can read: how much of what may go wrong is left, the least first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import links, words
from dashboard.markup import Html, bar, cell, link, row, table, tag
from dashboard.sections.signs import heading, nothing

LOW = 0.25
MOST = 14


def show(status: Sequence[Mapping[str, Any]]) -> None:
    """One bar an objective, of its worst group; those that are not measured at the end, with the reason."""
    found = worst_by_slo(status)
    known = [one for one in found if one["budget_remaining"] is not None]
    unknown = [one for one in found if one["budget_remaining"] is None]
    spent = sum(1 for one in known if one["budget_remaining"] <= 0)
    st.html(heading("Error budgets", f"what is left of what may go wrong · {spent} of {len(known)} spent"))
    if not found:
        st.html(nothing("No promise to users was judged yet."))
        return
    st.html(table(("Promise", "Left", "", "Worst for"), [_row(one) for one in known[:MOST]], cls="bl-promises"))
    if len(known) > MOST:
        st.html(nothing(f"{len(known) - MOST} more with larger budgets are on the On-call page."))
    undecided = [one for one in unknown if one["sli"] is not None]
    for name, without in (("Not decided: ", undecided), ("Not measured: ", [o for o in unknown if o["sli"] is None])):
        if without:
            st.html(tag("p", tag("strong", name), *_reasons(without), cls="bl-line bl-not-measured"))


def worst_by_slo(status: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The group with the least budget of every SLO, the least first; a group without a budget only if all are."""
    worst: dict[str, Mapping[str, Any]] = {}
    for one in status:
        held = worst.get(one["slo"])
        if held is None or _left(one) < _left(held):
            worst[one["slo"]] = one
    return sorted(worst.values(), key=lambda one: (_left(one), one["slo"]))


def _left(one: Mapping[str, Any]) -> float:
    left = one["budget_remaining"]
    return float("inf") if left is None else float(left)


def _row(one: Mapping[str, Any]) -> Html:
    left = float(one["budget_remaining"])
    level = "bl-bad" if left <= 0 else "bl-warn" if left < LOW else "bl-good"
    text = words.percent(left, 0) if left > 0 else f"spent, {words.percent(-left, 0)} over"
    shape = "▲" if left <= 0 else "◆" if left < LOW else "●"
    address = links.of_group(links.SLO, one["group"], slo=one["slo"])
    over = tag("small", f"over {one['window']}")
    name = cell(link(one["slo"], address), over)
    return row(name, bar(left if left > 0 else 1.0, level), cell(f"{shape} {text}", cls="bl-number"), _who(one))


def _who(one: Mapping[str, Any]) -> str:
    return words.group(one["group"])


def _reasons(unknown: Sequence[Mapping[str, Any]]) -> list[str]:
    texts = [f"{one['slo']} ({one['reason'] or 'no reason given'})" for one in unknown]
    return ["; ".join(texts), "."]
