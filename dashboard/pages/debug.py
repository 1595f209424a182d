"""The Debug page: one target or one group with every signal in time, model calls, and one trace as a waterfall."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

import dashboard.debug
from core.errors import StorageError
from dashboard import login, snapshot, words
from dashboard.debug import charts, controls, fleet, reading, sampled, waterfall
from dashboard.debug.address import Asked, from_query
from dashboard.debug.span import DEFAULT, Span, overview, span_of
from dashboard.markup import tag
from dashboard.options import Options
from dashboard.sections import freshness
from dashboard.sections.signs import heading, nothing
from dashboard.snapshot import Snapshot
from storage.fleet import TargetHealth

STYLE = Path(dashboard.debug.__file__).with_name("style.css")


def show(options: Options) -> None:
    """Draw the page, and again every `options.refresh` seconds while it shows the present."""
    st.html(STYLE)
    asked = from_query(controls.query())
    st.fragment(_live, run_every=options.refresh if asked.at is None else None)(options)


def _live(options: Options) -> None:
    # Asked at every drawing: a login may end while a page stands open.
    if login.admit(options) is None:
        return
    try:
        _draw(options.database_url)
    except StorageError as error:
        st.error("**The database does not answer.** The page tries again by itself.", icon=":material/database_off:")
        st.html(tag("p", str(error), cls="bl-fault"))


def _draw(url: str) -> None:
    taken, asked = snapshot.current(url), from_query(controls.query())
    freshness.show(taken)
    _choose(taken, asked)
    if asked.trace is not None:
        waterfall.show(snapshot.source(url).database, asked.trace, controls.query(), taken.now)
    counted = reading.watermark(url)
    if counted is None:
        st.html(nothing(f"No counts were committed yet: every signal is {words.NOT_MEASURED}."))
        fleet.show(fleet.meant(taken.targets, asked.group), asked, controls.query(), taken.now)
        return
    whole = span_of(asked.range or DEFAULT, asked.at, counted)
    span = overview(whole) if asked.signal is None else whole
    controls.say_span(span, controls.query(), "debug")
    if asked.target is None:
        _group(url, taken, asked, span)
    else:
        _target(url, taken, asked, span)


def _choose(taken: Snapshot, asked: Asked) -> None:
    left, right = st.columns([3, 1], vertical_alignment="center")
    groups = [row["group"] for row in taken.status] + [one for target in taken.targets for one in target.groups]
    with left:
        controls.choose_group(groups, asked.group, "debug")
    with right:
        controls.choose_range(asked, "debug")


def _group(url: str, taken: Snapshot, asked: Asked, span: Span) -> None:
    fleet.show(fleet.meant(taken.targets, asked.group), asked, controls.query(), taken.now)
    drawn = reading.of_group(url, tuple(sorted(asked.group.items())), span, asked.signal)
    charts.show(drawn, span, asked, words.group(asked.group))
    sampled.show_calls(snapshot.source(url).database, asked, span, controls.query(), taken.now)


def _target(url: str, taken: Snapshot, asked: Asked, span: Span) -> None:
    target = fleet.find(taken.targets, asked.target or "")
    if target is None:
        _unknown(taken, asked)
        return
    fleet.detail(target, controls.query(), taken.now)
    own = _within(span, taken.now)
    if own is None:
        st.html(nothing("A single target's counts are kept for 48 h; the group's signals reach back further."))
    else:
        charts.show(reading.of_target(url, target.url, own, asked.signal), own, asked, words.place(target.url))
        sampled.show_raw(url, target, asked, own)
    with st.container():
        sampled.show_calls(snapshot.source(url).database, _in_group(asked, target), span, controls.query(), taken.now)


def _within(span: Span, now: float) -> Span | None:
    """The part of a span for which a target's own minutes are kept."""
    oldest = int((now - reading.MINUTES_KEPT) // span.width + 1) * span.width
    if span.end <= oldest:
        return None
    return span._replace(start=max(span.start, oldest))


def _in_group(asked: Asked, target: TargetHealth) -> Asked:
    """Model calls know no target: those of its group are listed."""
    group = target.groups[0] if len(target.groups) == 1 else asked.group
    return Asked(group=group, calls=asked.calls, trace=asked.trace, at=asked.at, range=asked.range)


def _unknown(taken: Snapshot, asked: Asked) -> None:
    st.html(heading("Target", words.place(asked.target or "")))
    st.html(nothing("Discovery does not know this target (any more). These it knows:"))
    st.html(fleet.table_of(fleet.meant(taken.targets, {}), controls.query(), taken.now))
