"""The SLO page's charts: all on one axis of time, with deployments, revisions and resets as lines across them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from dashboard import words
from dashboard.charts import OKABE_ITO, TRANSITIONS
from dashboard.debug.plots import clock, layered, legend, moment, time_axis, value_axis
from dashboard.debug.span import Span
from dashboard.objective import budget
from dashboard.objective.budget import Bucket, Spending
from storage.alerts import AlertEvent

LEFT, EVEN = "budget left", "if it were spent evenly"
SHARE, ALLOWED = "bad share", "allowed"
HEIGHT = 200
_STEPS = 3
"""Labels of neighbours stand below each other, so that two changes within minutes can both be read."""
_MOST_MARKS = 12
"""Labels of lines that stand closer than this cannot be read."""


class Mark(NamedTuple):
    """A moment that concerns every chart: a deployment, a revision or a reset."""

    time: float
    label: str
    kind: str


def budget_chart(window: Sequence[Spending], span: Span, marks: Sequence[Mark]) -> alt.LayerChart:
    """How the budget of the window went down, in the part of the window that is shown."""
    whole = window[-1]
    rows = [
        {"time": moment(one.time), "at": clock(one.time, span), "line": name, "value": value, "bad": one.bad}
        for one in window
        if span.start <= one.time <= span.end
        for name, value in ((LEFT, budget.left(one, whole)), (EVEN, budget.evenly(one, whole)))
    ]
    names, colours = [LEFT, EVEN], [OKABE_ITO[0], OKABE_ITO[6]]
    base = alt.Chart(_frame(rows, "bad")).encode(x=time_axis(span))
    line = base.mark_line(strokeWidth=2, interpolate="step-after").encode(
        y=alt.Y("value:Q", axis=value_axis(".3~%"), scale=alt.Scale(zero=False)),
        color=alt.Color("line:N", scale=alt.Scale(domain=names, range=colours), legend=legend()),
        strokeDash=alt.StrokeDash("line:N", scale=alt.Scale(domain=names, range=[[1, 0], [5, 4]]), legend=None),
        tooltip=[
            "line:N",
            alt.Tooltip("at:N", title="up to"),
            alt.Tooltip("value:Q", format=".3~%"),
            alt.Tooltip("bad:Q", title="bad so far", format=","),
        ],
    )
    spent = alt.Chart(pd.DataFrame([{"value": 0.0}])).mark_rule(strokeWidth=1, color=OKABE_ITO[1]).encode(y="value:Q")
    return layered([spent, line, *rules(marks, span)]).properties(height=HEIGHT)


def share_chart(found: Sequence[Bucket], span: Span, marks: Sequence[Mark]) -> alt.LayerChart:
    """The share of bad events by bucket beside what is allowed; buckets without events are gaps."""
    by_start = {one.time: one for one in found}
    rows = [
        {"time": moment(at), "at": clock(at, span), "line": name, "value": value, "of": _of(by_start.get(at))}
        for at in span.starts
        for name, value in _shares(by_start.get(at))
    ]
    names, colours = [SHARE, ALLOWED], [OKABE_ITO[1], OKABE_ITO[6]]
    base = alt.Chart(_frame(rows, "of")).encode(x=time_axis(span))
    line = base.mark_line(
        strokeWidth=1.8, interpolate="step-after", invalid="break-paths-show-path-domains", point={"size": 3}
    ).encode(
        y=alt.Y("value:Q", axis=value_axis(".3~%"), scale=alt.Scale(zero=True)),
        color=alt.Color("line:N", scale=alt.Scale(domain=names, range=colours), legend=legend()),
        strokeDash=alt.StrokeDash("line:N", scale=alt.Scale(domain=names, range=[[1, 0], [5, 4]]), legend=None),
        tooltip=[
            "line:N",
            alt.Tooltip("at:N", title="bucket from"),
            alt.Tooltip("value:Q", format=".4~%"),
            alt.Tooltip("of:N", title="events"),
        ],
    )
    return layered([line, *rules(marks, span, labels=False)]).properties(height=HEIGHT - 30)


def alerts_chart(found: Sequence[AlertEvent], span: Span, marks: Sequence[Mark]) -> alt.LayerChart:
    """Every change of the group's alerts, a line for each severity; each kind has its shape and colour."""
    rows = [
        {
            "time": moment(min(one.at, span.end)),
            "at": clock(one.at, span),
            "severity": one.severity,
            "change": one.transition,
            "text": one.annotations.get("summary", ""),
        }
        for one in found
    ]
    frame = pd.DataFrame(rows, columns=["time", "at", "severity", "change", "text"])
    names = list(TRANSITIONS)
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=time_axis(span),
            y=alt.Y("severity:N", axis=value_axis(None), sort=["page", "ticket", "budget-ticket", "budget-info"]),
            color=alt.Color(
                "change:N", scale=alt.Scale(domain=names, range=[TRANSITIONS[n][0] for n in names]), legend=_keys()
            ),
            shape=alt.Shape("change:N", scale=alt.Scale(domain=names, range=[TRANSITIONS[n][1] for n in names])),
            tooltip=["change:N", "severity:N", alt.Tooltip("at:N", title="time"), alt.Tooltip("text:N", title=" ")],
        )
    )
    return layered([points, *rules(marks, span, labels=False)]).properties(height=66 + 28 * frame["severity"].nunique())


def rules(marks: Sequence[Mark], span: Span, *, labels: bool = True) -> Iterable[alt.Chart]:
    """Lines across a chart: deployments solid, revisions dotted, resets dashed; with names where there is room."""
    shown = [one for one in marks if span.start <= one.time <= span.end][-_MOST_MARKS:]
    if not shown:
        return
    rows = [
        {
            "time": moment(one.time),
            "label": f"{_SIGNS[one.kind]} {one.label}",
            "kind": one.kind,
            "step": index % _STEPS,
            "at": clock(one.time, span),
        }
        for index, one in enumerate(shown)
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(x=time_axis(span))
    told = ["kind:N", "label:N", alt.Tooltip("at:N", title="time")]
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=list(_SIGNS), range=[[1, 0], [2, 3], [8, 3]]), legend=None)
    yield base.mark_rule(strokeWidth=1.5, color=OKABE_ITO[3]).encode(strokeDash=dash, tooltip=told)
    if labels:
        text = base.mark_text(align="left", baseline="top", dx=4, fontSize=11, color=OKABE_ITO[3], limit=180)
        for step in range(_STEPS):
            mine = text.transform_filter(f"datum.step == {step}")
            yield mine.encode(text="label:N", y=alt.value(2 + 14 * step), tooltip=told)


_SIGNS = {"deployment": "▸", "revision": "§", "reset": "↺"}


def _keys() -> alt.Legend:
    return alt.Legend(title=None, orient="top", direction="horizontal", offset=2)


def _frame(rows: Sequence[dict[str, Any]], more: str) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["time", "at", "line", "value", more])


def _shares(one: Bucket | None) -> Iterable[tuple[str, float | None]]:
    yield SHARE, None if one is None else one.share
    if one is not None:
        yield ALLOWED, one.allowed


def _of(one: Bucket | None) -> str:
    return (
        words.NOT_MEASURED
        if one is None or not one.total
        else f"{words.count(one.bad)} bad of {words.count(one.total)}"
    )
