"""A backtest as charts: for each SLO its budgets, its burn rates and its alerts on one axis of time.

HTML is self-contained, PNG and SVG need no browser: vl-convert brings Vega with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import altair as alt
import pandas as pd

from burnline.backtesting.run import Outcome, Result
from core.durations import render
from core.errors import ConfigError
from core.measures import Group
from dashboard.charts import OKABE_ITO
from slo_engine.backtest import Course, Incident
from slo_engine.specs.model import Slo
from storage.slo_sets import StoredReset

MOST_GROUPS = 12
"""Budgets of more groups cannot be told apart: those with the least left are drawn."""
WIDTH = 900
_COLOURS = {"page": OKABE_ITO[1], "ticket": OKABE_ITO[4]}
_TIME = alt.X("at:T", title=None, axis=alt.Axis(format="%m-%d %H:%M", labelAngle=0, tickCount=10))


def save(result: Result, file: Path) -> None:
    """Write the charts; the kind is that of the name. ConfigError where the file cannot be written."""
    try:
        kind: dict[str, Any] = {"inline": True} if file.suffix == ".html" else {"scale_factor": 2}
        chart(result).save(str(file), **kind)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None


def chart(result: Result) -> alt.VConcatChart:
    """A panel for each SLO that was judged."""
    panels = [_panel(slo, result) for slo in result.here.side.slos if _lanes(result.here, slo)]
    title = f"{_text(result.history.start)} to {_text(result.history.end)} UTC, {result.history.kind}"
    shown: list[alt.VConcatChart | alt.Chart] = [*panels] or [_nothing()]
    made = alt.vconcat(*shown, spacing=36, title=alt.TitleParams(title, anchor="start"))
    found: alt.VConcatChart = made.resolve_scale(color="independent", x="independent").configure_view(stroke=None)
    return found


def _panel(slo: Slo, result: Result) -> alt.VConcatChart:
    lanes = _lanes(result.here, slo)
    marks = [one for one in result.resets if one.slo == slo.name]
    domain = [_moment(result.history.start), _moment(result.history.end)]
    x = _TIME.scale(type="utc", domain=domain)
    parts = [_budget(lanes, marks, x), _burn(lanes, marks, x)]
    if spans := _spans(slo, result):
        parts.append(_alerts(spans, marks, x))
    title = alt.TitleParams(slo.name, subtitle=_subtitle(slo, result), anchor="start")
    found: alt.VConcatChart = alt.vconcat(*parts, spacing=6, title=title).resolve_scale(color="independent")
    return found


def _subtitle(slo: Slo, result: Result) -> str:
    goal = f"{slo.objective:.6g} over " if slo.objective else "over "
    own = [one.severity for one in result.here.incidents if one.slo == slo.name]
    return f"{goal}{render(slo.window_seconds)}; {own.count('page')} pages, {own.count('ticket')} tickets"


def _budget(lanes: Sequence[Course], marks: Sequence[StoredReset], x: alt.X) -> alt.LayerChart:
    rows = [
        {"at": _moment(point.at), "group": _group(lane.group), "left": point.budget}
        for lane in _worst(lanes)
        for point in lane.course
    ]
    line = (
        alt.Chart(_frame(rows, "group", "left"))
        .mark_line(interpolate="step-after", strokeWidth=1.6)
        .encode(
            x=x,
            y=alt.Y("left:Q", title="budget left", axis=alt.Axis(format="~%")),
            color=alt.Color("group:N", title=None, scale=alt.Scale(range=list(OKABE_ITO))),
            tooltip=["group:N", alt.Tooltip("at:T", format="%m-%d %H:%M"), alt.Tooltip("left:Q", format=".2%")],
        )
    )
    spent = alt.Chart(pd.DataFrame([{"left": 0.0}])).mark_rule(color=OKABE_ITO[1], strokeDash=[4, 3]).encode(y="left:Q")
    return _layered([line, spent, *_resets(marks, x, labels=True)], 150)


def _burn(lanes: Sequence[Course], marks: Sequence[StoredReset], x: alt.X) -> alt.LayerChart:
    """The highest burn rate of any group, for the long window of each row, with the factor above which it alerts."""
    rows = list(_burns(lanes))
    line = (
        alt.Chart(_frame(rows, "window", "burn"))
        .mark_line(interpolate="step-after", strokeWidth=1.2)
        .encode(
            x=x,
            y=alt.Y("burn:Q", title="burn rate, worst group", scale=alt.Scale(type="symlog")),
            color=alt.Color(
                "window:N", title=None, sort=_windows(lanes), scale=alt.Scale(range=[*OKABE_ITO[:1], *OKABE_ITO[2:]])
            ),
            tooltip=["window:N", alt.Tooltip("at:T", format="%m-%d %H:%M"), alt.Tooltip("burn:Q", format=".3g")],
        )
    )
    limits = [{"burn": float(row.factor), "severity": row.severity} for row in lanes[0].policy.rows]
    rules = (
        alt.Chart(pd.DataFrame(limits))
        .mark_rule(strokeDash=[2, 3], opacity=0.7)
        .encode(y="burn:Q", stroke=alt.Stroke("severity:N", scale=_severities(), legend=None))
    )
    return _layered([line, rules, *_resets(marks, x, labels=False)], 150)


def _burns(lanes: Sequence[Course]) -> Iterator[dict[str, Any]]:
    longs = {row.long for row in lanes[0].policy.rows}
    for index, point in enumerate(lanes[0].course):
        for window in longs:
            rates = [lane.course[index].burns.get(window) for lane in lanes]
            known = [rate for rate in rates if rate is not None]
            yield {"at": _moment(point.at), "window": render(window), "burn": max(known, default=None)}


def _windows(lanes: Sequence[Course]) -> list[str]:
    return [render(window) for window in sorted({row.long for row in lanes[0].policy.rows})]


def _spans(slo: Slo, result: Result) -> list[dict[str, Any]]:
    found = [_span(one, "", result) for one in result.here.incidents if one.slo == slo.name]
    if result.there is not None:
        found += [_span(one, "against: ", result) for one in result.there.incidents if one.slo == slo.name]
    return found


def _span(one: Incident, side: str, result: Result) -> dict[str, Any]:
    until = result.history.end if one.resolved_at is None else one.resolved_at
    return {
        "lane": f"{side}{one.severity} {_group(one.group)}",
        "severity": one.severity,
        "at": _moment(one.firing_at),
        "until": _moment(until),
        "row": ""
        if one.row is None
        else f"{render(one.row.long)}/{render(one.row.short)} over {float(one.row.factor):.3g}",
    }


def _alerts(spans: Sequence[dict[str, Any]], marks: Sequence[StoredReset], x: alt.X) -> alt.LayerChart:
    lanes = sorted({span["lane"] for span in spans})
    bars = (
        alt.Chart(pd.DataFrame(list(spans)))
        .mark_bar(height=10, cornerRadius=2)
        .encode(
            x=x,
            x2="until:T",
            y=alt.Y("lane:N", title=None, sort=lanes, axis=alt.Axis(labelLimit=260)),
            color=alt.Color("severity:N", scale=_severities(), legend=None),
            tooltip=[
                "lane:N",
                alt.Tooltip("at:T", format="%m-%d %H:%M", title="firing"),
                alt.Tooltip("until:T", format="%m-%d %H:%M"),
                "row:N",
            ],
        )
    )
    return _layered([bars, *_resets(marks, x, labels=False)], 18 * len(lanes) + 6)


def _resets(marks: Sequence[StoredReset], x: alt.X, *, labels: bool) -> Iterable[alt.Chart]:
    """A line where a budget began anew, with the reason."""
    if not marks:
        return
    rows = [{"at": _moment(one.at), "label": f"↺ reset: {one.reason}", "by": one.actor} for one in marks]
    base = alt.Chart(pd.DataFrame(rows)).encode(x=x, tooltip=["label:N", "by:N"])
    yield base.mark_rule(color=OKABE_ITO[3], strokeWidth=1.5)
    if labels:
        yield base.mark_text(align="left", baseline="top", dx=4, color=OKABE_ITO[3], limit=320).encode(
            y=alt.value(2), text="label:N"
        )


def _layered(parts: Sequence[alt.Chart], height: int) -> alt.LayerChart:
    return cast(alt.LayerChart, alt.layer(*parts).properties(width=WIDTH, height=height))


def _severities() -> alt.Scale:
    return alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values()))


def _lanes(outcome: Outcome, slo: Slo) -> list[Course]:
    return [lane for lane in outcome.lanes if lane.formula.slo is slo]


def _worst(lanes: Sequence[Course]) -> list[Course]:
    def least(lane: Course) -> float:
        return min((point.budget for point in lane.course if point.budget is not None), default=1.0)

    return sorted(lanes, key=least)[:MOST_GROUPS]


def _nothing() -> alt.Chart:
    frame = pd.DataFrame([{"text": "nothing was counted in this time"}])
    found: alt.Chart = alt.Chart(frame).mark_text().encode(text="text:N").properties(width=WIDTH, height=60)
    return found


def _frame(rows: Sequence[dict[str, Any]], *names: str) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["at", *names])


def _group(group: Group) -> str:
    return ", ".join(f"{name}={value}" for name, value in group) or "the whole fleet"


def _moment(time: float) -> str:
    return pd.Timestamp(time, unit="s", tz="UTC").isoformat()


def _text(time: float) -> str:
    return pd.Timestamp(time, unit="s", tz="UTC").strftime("%Y-%m-%d %H:%M")
