"""The list of model calls, and the raw series of a target."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import links, words
from dashboard.charts import DASHES, OKABE_ITO, draw
from dashboard.debug import calls, controls, plots, raw
from dashboard.debug.address import CALLS, Asked, link
from dashboard.debug.span import Span
from dashboard.debug.waterfall import OUTCOMES, seconds
from dashboard.markup import Html, cell, row, table, tag
from dashboard.markup import link as anchor
from dashboard.sections.signs import heading, nothing, sign
from storage.database import Database
from storage.fleet import TargetHealth
from storage.generations import Generation

_HEADS = (
    "Outcome",
    "Ended",
    "Trace",
    "Group",
    "First token",
    "Between tokens",
    "Lasted",
    "Tokens in, out",
    "Cost",
    "Ended with",
)
_MEANINGS = {
    "all": "",
    "failed": "that failed",
    "slow": "that answered, but missed a latency promise",
    "drawn": "that were drawn to be scored, with their spans",
}


def show_calls(db: Database, asked: Asked, span: Span, given: Mapping[str, str], now: float) -> None:
    """The newest model calls of the span and group, each with a link to its trace."""
    found = calls.read(db, span, asked.group, asked.calls)
    more = f"the newest {len(found.listed)}" if found.more else f"{len(found.listed)}"
    st.html(heading("Generations", f"{more} {_MEANINGS[asked.calls]}".strip() if found.listed else ""))
    st.html(tag("p", *(_choice(name, asked, given) for name in CALLS), cls="bl-line bl-row-links"))
    if not found.listed:
        st.html(nothing(_why_none(asked)))
        return
    st.html(table(_HEADS, (_row(one, asked, given, now) for one in found.listed), cls="bl-calls"))


def _choice(name: str, asked: Asked, given: Mapping[str, str]) -> Html:
    if name == asked.calls:
        return tag("strong", f"{name} ", cls="bl-fact")
    return anchor(name, link(given, links.DEBUG, calls=None if name == CALLS[0] else name))


def _why_none(asked: Asked) -> str:
    if asked.calls != CALLS[0]:
        return f"None {_MEANINGS[asked.calls]} in this stretch of time."
    return "None in this stretch of time: no application told of model calls over OTLP, or none of this group."


def _row(one: Generation, asked: Asked, given: Mapping[str, str], now: float) -> Html:
    name = anchor(one.trace_id[:12] + "…", link(given, links.DEBUG, trace=one.trace_id))
    drawn = "drawn, with spans" if one.sampled else "not drawn"
    return row(
        cell(sign(OUTCOMES.get(one.outcome, one.outcome)), *([tag("small", one.error_type)] if one.error_type else [])),
        words.clock(one.at, now),
        cell(name, tag("small", drawn), cls="bl-over" if one.trace_id == asked.trace else ""),
        words.group(dict(one.group)),
        _length(one.ttft),
        _length(one.itl),
        _length(one.duration),
        f"{_count(one.input_tokens)}, {_count(one.output_tokens)}",
        "not priced" if one.cost_micros is None else f"${one.cost_micros / 1e6:.5f}",
        one.finish_reason or "not told",
    )


def _length(value: float | None) -> Html:
    return cell(words.NOT_MEASURED, cls="bl-unknown") if value is None else cell(seconds(value), cls="bl-number")


def _count(n: int | None) -> str:
    return "not told" if n is None else words.count(n)


def show_raw(database_url: str, target: TargetHealth, asked: Asked, span: Span) -> None:
    """One metric of a target as it was scraped."""
    st.html(
        heading("Raw series", f"the last {words.age(min(span.end - span.start, raw.LONGEST))} of the range, as scraped")
    )
    folder = raw.folder_of(database_url)
    if folder is None:
        st.html(nothing(f"{words.NOT_MEASURED}: the recent series are not beside this database."))
        return
    series = raw.reader(folder)
    names = raw.metrics(series, target, span)
    if not names:
        st.html(nothing("None are kept of this time, or the target has not answered in it."))
        return
    controls.choose_one("Choose a metric of its page", names, asked.metric, "metric", "debug")
    if asked.metric in names:
        _draw_raw(raw.read(series, target, asked.metric, span), asked.metric, span)


def _draw_raw(found: raw.Raw, metric: str, span: Span) -> None:
    unit = "a second; a fall is a reset" if found.rate else "as it stood"
    more = f", the {raw.MOST} that vary most" if found.more else ""
    st.html(tag("p", metric, tag("small", f"{unit}{more}"), cls="bl-chart-title"))
    draw(raw_chart(found, span), key="debug-raw", text=metric)


def raw_chart(found: raw.Raw, span: Span) -> alt.Chart:
    """The curves of one metric."""
    rows = [
        {
            "time": plots.moment(time),
            "at": plots.clock(time, span),
            "series": curve.name,
            "value": value,
        }
        for curve in found.curves
        for time, value in zip(curve.times, curve.values, strict=True)
    ]
    names = [curve.name for curve in found.curves]
    cut = span._replace(start=max(span.start, span.end - raw.LONGEST))
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows, columns=["time", "at", "series", "value"]))
        .mark_line(strokeWidth=1.5, invalid="break-paths-show-path-domains")
        .encode(
            x=plots.time_axis(cut),
            y=alt.Y("value:Q", axis=plots.value_axis(".3~s"), scale=alt.Scale(zero=False)),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=names, range=[OKABE_ITO[n % len(OKABE_ITO)] for n in range(len(names))]),
                legend=alt.Legend(title=None, orient="bottom", columns=2, labelLimit=420) if len(names) > 1 else None,
            ),
            strokeDash=alt.StrokeDash(
                "series:N",
                scale=alt.Scale(domain=names, range=[list(DASHES[n % len(DASHES)]) for n in range(len(names))]),
                legend=None,
            ),
            tooltip=["series:N", alt.Tooltip("at:N", title="time"), alt.Tooltip("value:Q", format=".5~g")],
        )
        .properties(height=240)
    )
    return chart
