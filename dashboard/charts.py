"""The charts. Groups differ by colour and by dash, transitions by colour and by shape: no colour stands alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import altair as alt
import pandas as pd
import streamlit as st

from core.buckets import HOURS
from core.durations import DAY
from dashboard.cells import Range
from dashboard.ledger import Line, Tally, Traffic

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
"""Okabe and Ito's colours, which every common colour blindness can tell apart; without yellow and with grey for black,
as these do not stand out on white and on near-black alike."""
DASHES = ((1, 0), (7, 4), (2, 3), (10, 3, 2, 3))
DASH_STYLES = ("solid", "dashed", "dotted", "double")
"""How a page's border shows the same dashes in a legend."""
HEIGHT = 190


class _Unchecked(NamedTuple):
    """A chart that is not compared with Vega-Lite's schema again at each drawing: that takes two thirds of the time
    of a page, and tests do it."""

    chart: alt.Chart | alt.LayerChart

    def to_dict(self) -> dict[str, Any]:
        return self.chart.to_dict(validate=False)


def draw(chart: alt.Chart | alt.LayerChart, key: str, text: str) -> None:
    """Put a chart on the page. `text` is for those who cannot see it."""
    st.altair_chart(cast(alt.Chart, _Unchecked(chart)), key=key, alt=text)


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
    traffic: Traffic,
    lines: Sequence[Line],
    drawn: Sequence[Look],
    value: Callable[[Tally], float | Range | None],
    form: str,
) -> alt.LayerChart:
    """One value of each line over the window; a bucket without it is a gap. `form` is a d3 number format.

    Of a Range the estimate is the line, and the band is what it may lie between: a bar above a point without a bound.
    """
    frame = pd.DataFrame(list(_rows(traffic, lines, drawn, value)), columns=_COLUMNS)
    labels = [look.label for look in drawn]
    colours = alt.Scale(domain=labels, range=[look.colour for look in drawn])
    dashes = alt.Scale(domain=labels, range=[list(DASHES[look.dash]) for look in drawn])
    told = [
        "group:N",
        alt.Tooltip("at:N", title="from"),
        alt.Tooltip("value:Q", format=form),
        alt.Tooltip("between:N", title="between"),
    ]
    base = alt.Chart(frame).encode(
        x=alt.X("time:T", scale=_span(traffic), axis=_time_axis(traffic)),
        color=alt.Color("group:N", legend=None, scale=colours),
    )
    height = alt.Y("value:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title=None, format=form, tickCount=4))
    band = base.mark_area(opacity=0.18, interpolate="linear", invalid="break-paths-show-path-domains").encode(
        y=alt.Y("low:Q", title=None), y2="high:Q"
    )
    line = base.mark_line(
        strokeWidth=2, point={"size": 8}, interpolate="linear", invalid="break-paths-show-path-domains"
    ).encode(y=height, strokeDash=alt.StrokeDash("group:N", legend=None, scale=dashes), tooltip=told)
    return alt.LayerChart(layer=[band, line], height=HEIGHT)


_COLUMNS = ("time", "at", "group", "value", "low", "high", "between")


def _rows(
    traffic: Traffic,
    lines: Sequence[Line],
    drawn: Sequence[Look],
    value: Callable[[Tally], float | Range | None],
) -> Iterable[tuple[Any, ...]]:
    for line, look in zip(lines, drawn, strict=True):
        for start, tally in zip(traffic.minutes, line.tallies, strict=True):
            if tally is not None:
                found = value(tally)
                known = found if isinstance(found, Range) else Range(found, found, found) if found is not None else None
                yield (_at(start), _clock(start), look.label, *_drawn(known))


def _drawn(known: Range | None) -> tuple[float | None, float | None, float | None, str]:
    if known is None:
        return None, None, None, "not measured"
    low, value, high = known
    if high is None:
        return value, low, value, f"{low:.3g} and no bound"
    return value, low, high, "exact" if low == high else f"{low:.3g} and {high:.3g}"


def has_any(lines: Sequence[Line], value: Callable[[Tally], float | Range | None]) -> bool:
    """Whether there is anything to draw."""
    return any(value(tally) is not None for line in lines for tally in line.tallies if tally is not None)


def _time_axis(traffic: Traffic) -> alt.Axis:
    long = (traffic.minutes[-1] - traffic.minutes[0]) > DAY
    return alt.Axis(title=None, format="%d %b %H:%M" if long else "%H:%M", tickCount=4 if long else 5, grid=False)


def _span(traffic: Traffic) -> alt.Scale:
    ends = (traffic.minutes[0], traffic.minutes[-1] + traffic.width)
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
    by_name = alt.Axis(title=None, labelLimit=420, labelOverlap=False, grid=True, ticks=False)
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X(
                "time:T",
                scale=alt.Scale(type="utc", domain=[_date(start), _date(end)]),
                axis=alt.Axis(title=None, format="%H:%M", tickCount=12),
            ),
            y=alt.Y("alert:N", sort=None, axis=by_name),
            color=alt.Color("transition:N", scale=colours, legend=alt.Legend(title=None, orient="top")),
            shape=alt.Shape("transition:N", scale=shapes),
            tooltip=["alert:N", "transition:N", alt.Tooltip("at:N", title="time")],
        )
        .properties(height=alt.Step(26))
    )
    return chart


def week_beside_week(now: Mapping[int, float], before: Mapping[int, float], end: int, form: str) -> alt.Chart:
    """Values by hour (Unix seconds of its start) of the week to `end`, and dashed those of the week before it.

    An hour without a value is a gap.
    """
    weeks = (("this week", now, 0), ("the week before", before, 7 * DAY))
    rows = [
        (_at(at), f"{_at(at - shift):%a %d %b %H:%M} UTC", name, values.get(at - shift))
        for name, values, shift in weeks
        for at in range(end - 7 * DAY, end, HOURS.width)
    ]
    names = [name for name, _, _ in weeks]
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows, columns=("time", "at", "week", "value")))
        .mark_line(strokeWidth=2, invalid="break-paths-show-path-domains")
        .encode(
            x=alt.X(
                "time:T",
                scale=alt.Scale(type="utc", domain=[_date(end - 7 * DAY), _date(end)]),
                axis=alt.Axis(title=None, format="%a %d %b", tickCount=7, grid=False),
            ),
            y=alt.Y("value:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title=None, format=form, tickCount=4)),
            color=alt.Color(
                "week:N",
                scale=alt.Scale(domain=names, range=[OKABE_ITO[0], OKABE_ITO[6]]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            strokeDash=alt.StrokeDash("week:N", scale=alt.Scale(domain=names, range=[list(d) for d in DASHES[:2]])),
            tooltip=["week:N", alt.Tooltip("at:N", title="hour from"), alt.Tooltip("value:Q", format=form)],
        )
        .properties(height=240)
    )
    return chart
