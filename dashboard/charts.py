"""The charts. Groups differ by colour and by dash, transitions by colour and by shape: no colour stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from core.buckets import MINUTES
from dashboard.ledger import Line, Tally, Traffic

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
"""Okabe and Ito's colours, which every common colour blindness can tell apart; without yellow and with grey for black,
as these do not stand out on white and on near-black alike."""
DASHES = ((1, 0), (7, 4), (2, 3), (10, 3, 2, 3))
DASH_STYLES = ("solid", "dashed", "dotted", "double")
"""How a page's border shows the same dashes in a legend."""
HEIGHT = 190


class Look(NamedTuple):
    """How one line is drawn: a colour, and the index of its dash."""

    label: str
    colour: str
    dash: int


def looks(lines: Sequence[Line], by: tuple[str, str]) -> list[Look]:
    """Colour tells the first dimension, dash the second; a dimension with more values than looks goes round."""
    firsts = sorted({dict(line.group).get(by[0], "") for line in lines})
    seconds = sorted({dict(line.group).get(by[1], "") for line in lines})
    found = []
    for line in lines:
        group = dict(line.group)
        colour = OKABE_ITO[firsts.index(group.get(by[0], "")) % len(OKABE_ITO)]
        dash = seconds.index(group.get(by[1], "")) % len(DASHES)
        label = " · ".join(group[name] for name in by if name in group)
        found.append(Look(label or "not told apart", colour, dash))
    return found


def over_time(
    traffic: Traffic, lines: Sequence[Line], drawn: Sequence[Look], value: Callable[[Tally], float | None], form: str
) -> alt.Chart:
    """One value of each line over the hour; a minute without it is a gap. `form` is a d3 number format."""
    rows = [
        {"time": _at(minute), "at": _clock(minute), "group": look.label, "value": value(tally)}
        for line, look in zip(lines, drawn, strict=True)
        for minute, tally in zip(traffic.minutes, line.tallies, strict=True)
        if tally is not None
    ]
    frame = pd.DataFrame(rows, columns=["time", "at", "group", "value"])
    labels = [look.label for look in drawn]
    colours = alt.Scale(domain=labels, range=[look.colour for look in drawn])
    dashes = alt.Scale(domain=labels, range=[list(DASHES[look.dash]) for look in drawn])
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, point={"size": 8}, interpolate="linear", invalid="break-paths-show-path-domains")
        .encode(
            x=alt.X("time:T", scale=_span(traffic), axis=alt.Axis(title=None, format="%H:%M", tickCount=5, grid=False)),
            y=alt.Y("value:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title=None, format=form, tickCount=4)),
            color=alt.Color("group:N", legend=None, scale=colours),
            strokeDash=alt.StrokeDash("group:N", legend=None, scale=dashes),
            tooltip=["group:N", alt.Tooltip("at:N", title="minute"), alt.Tooltip("value:Q", format=form)],
        )
        .properties(height=HEIGHT)
    )
    return chart


def _span(traffic: Traffic) -> alt.Scale:
    ends = (traffic.minutes[0], traffic.minutes[-1] + MINUTES.width)
    return alt.Scale(type="utc", domain=[_date(end) for end in ends])


def _date(time: float) -> dict[str, Any]:
    at = _at(time)
    day = {"year": at.year, "month": at.month, "date": at.day}
    return {**day, "hours": at.hour, "minutes": at.minute, "seconds": at.second, "utc": True}


def _at(time: float) -> pd.Timestamp:
    return pd.Timestamp(time, unit="s", tz="UTC")


def _clock(time: float) -> str:
    return f"{_at(time):%H:%M} UTC"


TRANSITIONS: Mapping[str, tuple[str, str]] = {
    "firing": ("#D55E00", "triangle-up"),
    "pending": ("#E69F00", "diamond"),
    "resolved": ("#009E73", "circle"),
    "cleared": ("#8C8C8C", "square"),
}


def events_over_time(rows: Sequence[Mapping[str, Any]], start: float, end: float) -> alt.Chart:
    """Transitions of alerts on one line each. Rows: time (Unix seconds), at (text), alert, transition."""
    frame = pd.DataFrame([{**one, "time": _at(one["time"])} for one in rows])
    names = list(TRANSITIONS)
    colours = alt.Scale(domain=names, range=[TRANSITIONS[name][0] for name in names])
    shapes = alt.Scale(domain=names, range=[TRANSITIONS[name][1] for name in names])
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X(
                "time:T",
                scale=alt.Scale(type="utc", domain=[_date(start), _date(end)]),
                axis=alt.Axis(title=None, format="%H:%M", tickCount=12),
            ),
            y=alt.Y("alert:N", sort=None, axis=alt.Axis(title=None, labelLimit=420, grid=True, ticks=False)),
            color=alt.Color("transition:N", scale=colours, legend=alt.Legend(title=None, orient="top")),
            shape=alt.Shape("transition:N", scale=shapes),
            tooltip=["alert:N", "transition:N", alt.Tooltip("at:N", title="time")],
        )
        .properties(height=70 + 26 * frame["alert"].nunique())
    )
    return chart
