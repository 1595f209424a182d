"""Forms of charts that the Debug and SLO pages share: lines with bands and gaps, strips of coverage, marks in time.

All have the same room for the axis on the left, so that one time stands below itself from chart to chart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import altair as alt
import pandas as pd

from core.durations import DAY, HOUR
from dashboard import words
from dashboard.charts import DASHES, OKABE_ITO
from dashboard.debug.signals import Line, Panel, Seen
from dashboard.debug.span import Span
from dashboard.markup import Html, tag
from dashboard.words import NOT_MEASURED

ROOM = 54
"""Pixels for the vertical axis: five digits and a sign."""
GREY = "#8C8C8C"
_PANEL_HEIGHT = 160


def panel(one: Panel, span: Span, seen: Seen | None) -> alt.LayerChart:
    """A signal's lines with the bounds of what they estimate; what was not seen is grey."""
    names = [line.name for line in one.lines]
    colours = alt.Scale(domain=names, range=colours_of(names))
    dashes = alt.Scale(domain=names, range=[list(DASHES[index % len(DASHES)]) for index in range(len(names))])
    frame = _frame(one.lines, span)
    base = alt.Chart(frame).encode(x=time_axis(span))
    colour = alt.Color(
        "line:N", scale=colours, legend=legend() if one.signal.kind == "counter" and len(names) > 1 else None
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=True, nice=True), axis=value_axis(_form(one)))
    curve = base.mark_line(strokeWidth=1.8, invalid="break-paths-show-path-domains").encode(
        y=y,
        color=colour,
        strokeDash=alt.StrokeDash("line:N", scale=dashes, legend=None),
        tooltip=[
            alt.Tooltip("line:N", title=" "),
            alt.Tooltip("at:N", title="bucket from"),
            alt.Tooltip("text:N", title=one.unit),
        ],
    )
    layers: list[alt.Chart] = [blind_ground(seen, span)] if seen is not None and any(seen.blind) else []
    if frame["low"].notna().any():
        layers.append(_bands(base, colours))
    layers.append(curve)
    for name, shape, size in (("alone", "circle", 14), ("above", "triangle-up", 26)):
        if frame[name].any():
            dots = alt.Chart(frame[frame[name]]).mark_point(shape=shape, filled=True, size=size, opacity=1)
            plain = alt.Color("line:N", scale=colours, legend=None)
            layers.append(dots.encode(x=time_axis(span), y="value:Q", color=plain))
    return layered(layers).properties(height=_PANEL_HEIGHT)


def colours_of(names: Sequence[str]) -> list[str]:
    """What is well is blue and what is bad vermilion in every chart; other parts take the colours that are left."""
    free = [colour for colour in OKABE_ITO if colour not in {_KNOWN[name] for name in names if name in _KNOWN}]
    others = [name for name in names if name not in _KNOWN]
    given = {name: (free or OKABE_ITO)[index % len(free or OKABE_ITO)] for index, name in enumerate(others)}
    return [_KNOWN.get(name) or given[name] for name in names]


_KNOWN = {
    **dict.fromkeys(("good", "clear", "2xx", "p50", "mean", "all"), OKABE_ITO[0]),
    **dict.fromkeys(("bad", "flagged", "5xx", "p99"), OKABE_ITO[1]),
    **dict.fromkeys(("excluded", "not_applicable"), OKABE_ITO[6]),
    **dict.fromkeys(("4xx", "failed", "p95"), OKABE_ITO[2]),
}


def strip(strips: Sequence[Seen], span: Span) -> alt.Chart:
    """Coverage of each layer by bucket: full is blue, less is lower and orange, little is a thin line."""
    rows = [
        {
            "from": moment(start),
            "to": moment(end),
            "layer": one.layer,
            "state": state,
            "text": text,
            "at": clock(start, span),
        }
        for one in strips
        for start, end, state, text in _runs(one, span)
    ]
    return states_over_time(rows, span, "layer")


SEEN_STATES: Mapping[str, str] = {"seen": "#0072B2", "partial": "#E69F00", "blind": "#D55E00", "no target": "#8C8C8C"}


_HEIGHTS = (9, 6, 3, 1)
"""Pixels of a bar in the order of SEEN_STATES: where little was seen, little is drawn."""


def seen_title() -> Html:
    """What stands above a strip: its title and its states, each with the height and colour of its bar."""
    keys = zip(SEEN_STATES.items(), _HEIGHTS, strict=True)
    parts = [tag("span", tag("i", style=f"border-top: {high}px solid {colour}"), name) for (name, colour), high in keys]
    return tag("p", tag("strong", "Seen of the target-time"), *parts, cls="bl-legend")


def states_over_time(rows: Sequence[Mapping[str, Any]], span: Span, name: str) -> alt.Chart:
    """Runs of a state as bars on one line each; a state differs by colour and by the height of its bar."""
    frame = pd.DataFrame(list(rows), columns=["from", "to", name, "state", "text", "at"])
    states = list(SEEN_STATES)
    heights = alt.Scale(domain=states, range=list(_HEIGHTS))
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=time_axis(span, "from"),
            x2="to:T",
            y=alt.Y(f"{name}:N", sort=None, axis=value_axis(None)),
            color=alt.Color("state:N", scale=alt.Scale(domain=states, range=list(SEEN_STATES.values())), legend=None),
            size=alt.Size("state:N", scale=heights, legend=None),
            tooltip=[
                alt.Tooltip("state:N", title=" "),
                alt.Tooltip("at:N", title="from"),
                alt.Tooltip("text:N", title="seen"),
            ],
        )
        .properties(height=40 + 20 * max(1, frame[name].nunique()))
    )
    return chart


def layered(charts: Iterable[alt.Chart]) -> alt.LayerChart:
    """Charts over each other."""
    both = alt.layer(*charts)
    assert isinstance(both, alt.LayerChart)  # facets come of charts that are facets themselves
    return both


def blind_ground(seen: Seen, span: Span) -> alt.Chart:
    """Grey ground behind the buckets that nobody saw."""
    starts = zip(span.starts, seen.blind, strict=True)
    runs = [(dark, [start for start, _ in run]) for dark, run in groupby(starts, key=lambda pair: pair[1])]
    rows = [{"from": moment(run[0]), "to": moment(run[-1] + span.width)} for dark, run in runs if dark]
    frame = pd.DataFrame(rows, columns=["from", "to"])
    ground: alt.Chart = (
        alt.Chart(frame).mark_rect(color=GREY, opacity=0.3).encode(x=alt.X("from:T", scale=scale(span)), x2="to:T")
    )
    return ground


def time_axis(span: Span, name: str = "time", *, labels: bool = True) -> alt.X:
    """The horizontal axis of every chart of a page."""
    long = span.end - span.start
    form = "%H:%M" if long <= DAY - HOUR else "%d %b %H:%M" if long <= 2 * DAY else "%d %b"
    axis = alt.Axis(title=None, format=form, tickCount=4, grid=False, labels=labels, ticks=labels, labelOverlap=True)
    return alt.X(f"{name}:T", scale=scale(span), axis=axis)


def scale(span: Span) -> alt.Scale:
    """From the span's first moment to its last, in UTC."""
    return alt.Scale(type="utc", domain=[_date(span.start), _date(span.end)])


def moment(time: float) -> pd.Timestamp:
    """A time as charts take it."""
    return pd.Timestamp(time, unit="s", tz="UTC")


def _date(time: float) -> dict[str, Any]:
    at = moment(time)
    day = {"year": at.year, "month": at.month, "date": at.day}
    return {**day, "hours": at.hour, "minutes": at.minute, "seconds": at.second, "utc": True}


def value_axis(form: str | None) -> alt.Axis:
    """The vertical axis, as wide as that of every other chart."""
    if form is None:
        return alt.Axis(title=None, minExtent=ROOM, maxExtent=ROOM, labelLimit=ROOM)
    return alt.Axis(title=None, minExtent=ROOM, maxExtent=ROOM, labelLimit=ROOM, format=form, tickCount=4)


def legend() -> alt.Legend:
    """A legend in one line above the chart."""
    return alt.Legend(title=None, orient="top", direction="horizontal", offset=2, symbolType="stroke", labelLimit=160)


def clock(time: float, span: Span) -> str:
    """A time as the page says it, with the date where the span is longer than a day."""
    return words.clock(time, span.end if span.end - span.start <= DAY else 0.0)


def _form(one: Panel) -> str:
    """A d3 format: shares in per cent, thousands and more with their prefix; milli-requests are no unit of people."""
    if one.signal.unit == "share":
        return ".0%"
    largest = max((point.high or point.value or 0.0 for line in one.lines for point in line.points), default=0.0)
    return ".3~s" if largest >= 1_000 else ".3~g"


def _frame(lines: Sequence[Line], span: Span) -> pd.DataFrame:
    rows = [
        {
            "time": moment(point.time),
            "at": clock(point.time, span),
            "line": line.name,
            "value": point.value,
            "low": point.low,
            "high": point.high,
            "above": point.above,
            "alone": _is_alone(line, index),
            "text": _said(point.value, point.low, point.high, above=point.above),
        }
        for line in lines
        for index, point in enumerate(line.points)
    ]
    return pd.DataFrame(rows, columns=["time", "at", "line", "value", "low", "high", "above", "alone", "text"])


def _is_alone(line: Line, index: int) -> bool:
    """Whether a value has gaps on both sides, where a line has no length."""
    beside = [line.points[at].value for at in (index - 1, index + 1) if 0 <= at < len(line.points)]
    return line.points[index].value is not None and all(value is None for value in beside)


def _said(value: float | None, low: float | None, high: float | None, *, above: bool) -> str:
    if value is None:
        return NOT_MEASURED
    if low is None or high is None:
        return f"{value:.4g}"
    return f"{low:.4g} or more" if above else f"{value:.3g}, between {low:.3g} and {high:.3g}"


def _bands(base: alt.Chart, colours: alt.Scale) -> alt.Chart:
    """Between which bounds each value is known to be."""
    area: alt.Chart = base.mark_area(opacity=0.18, interpolate="linear", line=False).encode(
        y=alt.Y("low:Q", title=None), y2="high:Q", color=alt.Color("line:N", scale=colours, legend=None)
    )
    return area


def _runs(one: Seen, span: Span) -> Iterable[tuple[int, int, str, str]]:
    """Buckets of one state in a row: from, to, the state, and the share that was seen."""
    told = zip(span.starts, one.shares, strict=True)
    for state, run in groupby(told, key=lambda pair: _state(pair[1])):
        found = list(run)
        shares = [share for _, share in found if share is not None]
        text = words.percent(min(shares), 1) + " at least" if shares else "no target was expected"
        yield found[0][0], found[-1][0] + span.width, state, text


def _state(share: float | None) -> str:
    if share is None:
        return "no target"
    return "seen" if share >= 0.95 else "partial" if share >= 0.5 else "blind"
