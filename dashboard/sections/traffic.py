"""The last hour by version and region: how much, how much of it bad, and how long until the first token."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.charts import DASH_STYLES, Look, looks, over_time
from dashboard.filters import Filters
from dashboard.ledger import lines
from dashboard.markup import Html, tag
from dashboard.sections.signs import heading, nothing
from dashboard.snapshot import Snapshot

BY = ("version", "region")
MOST = 8
"""Lines in a chart: more cannot be told apart, and the busiest say most."""

_CHARTS = (
    ("Requests a second", lambda tally: tally.rate, ".2~f"),
    ("Share of bad requests", lambda tally: tally.bad_share, ".2~%"),
    ("p95 time to first token, seconds (estimate)", lambda tally: tally.ttft_quantile(0.95), ".3~f"),
)


def show(taken: Snapshot, filters: Filters) -> None:
    """Three charts with one legend; an hour without counts is said, not drawn."""
    drawn, known = lines(taken.traffic, BY, filters, MOST)
    st.html(heading("Last hour by version and region", f"the {MOST} busiest of {known}" if known > MOST else "UTC"))
    if not drawn:
        known_any = bool(taken.traffic.tallies)
        st.html(nothing("No counts of the last hour fit the filters." if known_any else "No counts in the last hour."))
        return
    styles = looks(drawn, BY)
    st.html(_legend(styles))
    for column, (title, value, form) in zip(st.columns(len(_CHARTS)), _CHARTS, strict=True):
        with column:
            st.html(tag("p", title, cls="bl-chart-title"))
            st.altair_chart(over_time(taken.traffic, drawn, styles, value, form), key=f"chart-{title}", alt=title)


def _legend(styles: Sequence[Look]) -> Html:
    return tag("p", *(_key(look) for look in styles), cls="bl-legend")


def _key(look: Look) -> Html:
    dash = DASH_STYLES[look.dash]
    return tag("span", tag("i", style=f"border-top: {5 if dash == 'double' else 3}px {dash} {look.colour}"), look.label)
