"""The window by version and region: how much, how bad, how slow, how long the queues, how busy the GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from dashboard import words
from dashboard.cells import Range
from dashboard.charts import DASH_STYLES, Look, draw, has_any, looks, over_time
from dashboard.filters import Filters
from dashboard.ledger import Line, Tally, Traffic, lines
from dashboard.markup import Html, tag
from dashboard.sections.signs import heading, nothing
from dashboard.snapshot import Snapshot

BY = ("version", "region")
MOST = 8
"""Lines in a chart: more cannot be told apart, and the busiest say most."""
_A_ROW = 3


class Panel(NamedTuple):
    """One small chart: what of a tally it draws, as a d3 number format, and why it may be empty."""

    title: str
    value: Callable[[Tally], float | Range | None]
    form: str
    empty: str


PANELS = (
    Panel("Requests a second", lambda tally: tally.rate, ".2~f", "less than half of the targets' time was seen"),
    Panel("Share of bad requests", lambda tally: tally.bad_share, ".2~%", "no request finished"),
    Panel(
        "Requests that wait, a target", lambda tally: tally.queue_depth, ".2~f", "no target tells its queue's length"
    ),
    Panel(
        "p95 time to first token, seconds", lambda tally: tally.ttft_range(0.95), ".3~f", "no target tells first tokens"
    ),
    Panel(
        "p99 time to first token, seconds", lambda tally: tally.ttft_range(0.99), ".3~f", "no target tells first tokens"
    ),
    Panel(
        "GPU utilisation", lambda tally: tally.gpu_share, ".0%", "nothing tells it: scrape the GPUs' exporter as a job"
    ),
)


def show(taken: Snapshot, filters: Filters) -> None:
    """Charts with one legend; a window without counts is said, not drawn."""
    drawn, known = lines(taken.traffic, BY, filters, MOST)
    more = f" · the {MOST} busiest of {known}" if known > MOST else ""
    st.html(heading(f"{title(taken.traffic, taken.now)} by version and region", f"UTC{more}"))
    if not drawn:
        some = bool(taken.traffic.tallies)
        st.html(nothing("No counts of this time fit the filters." if some else "No counts in this time."))
        return
    styles = looks(drawn, BY)
    st.html(_legend(styles))
    for first in range(0, len(PANELS), _A_ROW):
        for column, panel in zip(st.columns(_A_ROW), PANELS[first : first + _A_ROW], strict=True):
            with column:
                _panel(panel, taken.traffic, drawn, styles)


def title(traffic: Traffic, now: float) -> str:
    """`Last hour`, or the window in the past."""
    if traffic.live or not traffic.minutes:
        return "Last hour"
    return f"{words.clock(traffic.minutes[0], now)} to {words.clock(traffic.minutes[-1] + traffic.width, now)}"


def _panel(panel: Panel, traffic: Traffic, drawn: Sequence[Line], styles: Sequence[Look]) -> None:
    st.html(tag("p", panel.title, cls="bl-chart-title"))
    if has_any(drawn, panel.value):
        chart = over_time(traffic, drawn, styles, panel.value, panel.form)
        draw(chart, key=f"chart-{panel.title}", text=panel.title)
    else:
        st.html(tag("p", f"{words.NOT_MEASURED}: {panel.empty}", cls="bl-empty-chart"))


def _legend(styles: Sequence[Look]) -> Html:
    band = tag(
        "span", tag("i", cls="bl-band"), "band: between what it lies, where cells of a histogram are all we have"
    )
    return tag("p", *(_key(look) for look in styles), band, cls="bl-legend")


def _key(look: Look) -> Html:
    dash = DASH_STYLES[look.dash]
    return tag("span", tag("i", style=f"border-top: {5 if dash == 'double' else 3}px {dash} {look.colour}"), look.label)
