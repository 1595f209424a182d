"""What alerts did in the last day: as a time line, and in words."""

from __future__ import annotations

import json

import streamlit as st

from dashboard import words
from dashboard.charts import draw, events_over_time
from dashboard.filters import Filters
from dashboard.markup import Html, cell, row, table, tag
from dashboard.sections.signs import heading, nothing, sign
from dashboard.snapshot import EVENTS_BACK, Snapshot
from storage.alerts import AlertEvent

LISTED = 12
DRAWN = 12
"""Alerts on the time line, the most recently changed ones."""


def show(taken: Snapshot, filters: Filters) -> None:
    """Newest first in the list."""
    mine = [one for one in reversed(taken.events) if filters.takes(one.slo) and filters.covers(group_of(one))]
    st.html(
        heading(
            "Alert events", f"{len(mine)} in the {'day before' if taken.past else f'last {words.age(EVENTS_BACK)}'}"
        )
    )
    if not mine:
        st.html(nothing("None that fits the filters." if taken.events else "None."))
        return
    alerts = list(dict.fromkeys(_name(one) for one in mine))[:DRAWN]
    points = [
        {"time": one.at, "at": words.clock(one.at, taken.now), "alert": _name(one), "transition": one.transition}
        for one in mine
        if _name(one) in alerts
    ]
    chart = events_over_time(points, taken.until - EVENTS_BACK, taken.until)
    draw(chart, key="chart-events", text="Alert events of the last day")
    with st.expander("In words, newest first", key="events-listed"):
        st.html(table(("Time", "Change", "Alert", "Summary"), (_row(one, taken.now) for one in mine[:LISTED])))


def group_of(event: AlertEvent) -> dict[str, str]:
    """The dimensions of an event's alert."""
    found: dict[str, str] = json.loads(event.group_key)
    return found


def _name(event: AlertEvent) -> str:
    return f"{event.slo} · {words.group(group_of(event))} · {event.severity}"


def _row(event: AlertEvent, now: float) -> Html:
    alert = cell(tag("strong", event.slo), tag("small", f"{words.group(group_of(event))} · {event.severity}"))
    summary = event.annotations.get("summary", "no summary")
    return row(words.clock(event.at, now), sign(event.transition), alert, summary)
