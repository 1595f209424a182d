"""The charts of one objective and group over a span, with what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from core.durations import parse_prometheus
from core.labels import make
from core.measures import group_key
from dashboard import snapshot, words
from dashboard.charts import draw
from dashboard.debug import plots as forms
from dashboard.debug.signals import Seen
from dashboard.debug.span import Span
from dashboard.markup import tag
from dashboard.objective import figures, plots, reading
from dashboard.objective.budget import Bucket, Spending
from dashboard.objective.plots import Mark
from dashboard.objective.reading import Course, Revision
from dashboard.objective.sli import Unreadable
from dashboard.sections.signs import heading, nothing
from storage.alerts import AlertEvent
from storage.deployments import Deployment
from storage.slo_sets import StoredReset


def show(url: str, chosen: Mapping[str, Any], span: Span, minute: int, now: float) -> None:
    """Budget, bad share, coverage and alerts on one axis of time; burn and revisions below."""
    db, name = snapshot.source(url).database, chosen["slo"]
    known = reading.revisions(db, name, chosen["group"])
    told = reading.events(db, name, group_key(chosen["group"]), span, now)
    deployed = reading.deployed(db, chosen["group"], span, now)
    resets = reading.resets(db, name, group_key(chosen["group"]))
    marks = marks_of(known, deployed, resets)
    window = reading.since_reset(_window(chosen, minute), minute, resets)
    found = reading.course(url, name, make(chosen["group"]), window, minute, span)
    if chosen.get("interval"):
        st.html(heading("Estimate", f"over {chosen['window']}, from a sample"))
        st.html(figures.interval(chosen))
    _curves(found, span, marks, chosen)
    _alerts(told, span, marks, now)
    st.html(
        heading("Burn", "how many times too fast, by window, as the engine judged last; a line marks the lowest limit")
    )
    st.html(figures.burns(chosen, known[-1].policy if known else ()))
    st.html(heading("Revisions"))
    st.html(figures.revisions(known, now))
    if resets:
        st.html(heading("Resets", "the budget counts anew from then on"))
        st.html(_resets(resets, now))
    st.html(heading("Deployments", "of this model and region in the range"))
    st.html(_deployments(deployed, now))


def _window(chosen: Mapping[str, Any], minute: int) -> int:
    """How long the budget's time is by now: the window, or what has passed of a calendar's period."""
    period = chosen.get("period")
    return (
        minute - int(datetime.fromisoformat(period["start"]).timestamp())
        if period
        else int(parse_prometheus(chosen["window"]))
    )


def marks_of(
    known: Sequence[Revision], deployed: Sequence[Deployment], resets: Sequence[StoredReset] = ()
) -> list[Mark]:
    """Lines across the charts; the first revision is no change of anything."""
    changes = [Mark(one.since, f"may be bad {words.percent(float(one.allowed))}", "revision") for one in known[1:]]
    anew = [Mark(one.at, f"budget reset: {one.reason}", "reset") for one in resets]
    return sorted([*changes, *anew, *(Mark(one.at, _rollout(one), "deployment") for one in deployed)])


def _rollout(one: Deployment) -> str:
    return one.version if one.share is None else f"{one.version} at {words.percent(one.share, 0)}"


def _curves(found: Course | Unreadable, span: Span, marks: Sequence[Mark], chosen: Mapping[str, Any]) -> None:
    if isinstance(found, Unreadable):
        st.html(heading("Budget in time"))
        st.html(nothing(f"Not drawn: {found.reason}. The figures above are the engine's own."))
        return
    if not found.window or not found.window[-1].total:
        st.html(heading("Budget in time"))
        st.html(nothing(f"{words.NOT_MEASURED.capitalize()}: no events in the window."))
        return
    st.html(heading("Budget in time", spent_in(found.window, span, chosen["window"])))
    draw(plots.budget_chart(found.window, span, marks), key="slo-budget", text="Budget left over the window")
    st.html(heading("Bad share", f"of the events of each {words.age(span.width)}"))
    draw(plots.share_chart(found.buckets, span, marks), key="slo-share", text="Share of bad events")
    st.html(forms.seen_title())
    draw(forms.strip([coverage(found.buckets, span)], span), key="slo-coverage", text="Coverage")


def spent_in(window: Sequence[Spending], span: Span, length: str) -> str:
    """How much of the whole budget went in the span, in words."""
    whole = window[-1]
    before = [one for one in window if one.time <= span.start]
    inside = [one for one in window if one.time <= span.end]
    if not whole.allowed or not inside:
        return f"window of {length}"
    bad = inside[-1].bad - (before[-1].bad if before else 0)
    spent = float(bad / whole.allowed)
    share = words.percent(spent, 1) if spent < 10 else words.times(spent)
    return f"{words.count(bad)} bad events in this range: {share} of what {length} may spend"


def coverage(found: Sequence[Bucket], span: Span) -> Seen:
    """How much of each bucket was seen."""
    by_start = {one.time: one.coverage for one in found}
    return Seen("covered", [by_start.get(start) for start in span.starts])


def _alerts(told: Sequence[AlertEvent], span: Span, marks: Sequence[Mark], now: float) -> None:
    st.html(heading("Alerts", f"{len(told)} changes in this range" if told else ""))
    if not told:
        st.html(nothing("None in this range."))
        return
    draw(plots.alerts_chart(told, span, marks), key="slo-alerts", text="Alert history")
    with st.expander("In words, newest first", key="slo-alerts-listed"):
        st.html(tag("div", *(tag("p", _said(one, now), cls="bl-line") for one in reversed(told[-30:]))))


def _said(one: AlertEvent, now: float) -> str:
    summary = one.annotations.get("summary", "no summary")
    return f"{words.clock(one.at, now)} · {one.transition} · {one.severity} · {summary}"


def _resets(found: Sequence[StoredReset], now: float) -> Any:
    lines = [f"{words.clock(one.at, now)} · {one.actor} · {one.reason}" for one in found]
    return tag("div", *(tag("p", line, cls="bl-line") for line in reversed(lines)))


def _deployments(found: Sequence[Deployment], now: float) -> Any:
    if not found:
        return nothing("None was registered.")
    lines = [
        f"{words.clock(one.at, now)} · {_rollout(one)} · {one.region or 'everywhere'} · {one.note} · {one.created_by}"
        for one in found
    ]
    return tag("div", *(tag("p", line, cls="bl-line") for line in reversed(lines)))
