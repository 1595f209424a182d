"""The SLO page: one objective and one group, its budget in time, its burn, alerts, deployments and revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.buckets import end_of_window
from core.durations import parse_prometheus
from core.errors import StorageError
from dashboard import links, login, snapshot, words
from dashboard.debug import controls
from dashboard.debug.address import Asked, from_query, link
from dashboard.debug.span import RANGES, Span, span_of
from dashboard.filters import Filters
from dashboard.markup import link as anchor
from dashboard.markup import tag
from dashboard.objective import course, figures, reading
from dashboard.options import Options
from dashboard.pages.debug import STYLE
from dashboard.sections import freshness
from dashboard.sections.budgets import worst_first
from dashboard.sections.signs import heading, nothing
from dashboard.snapshot import Snapshot
from storage import slo as store

_PAGE = "slo"


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
    names = sorted({row["slo"] for row in taken.status})
    rows = rows_of(taken, asked)
    chosen = rows[0] if rows else None
    _choose(names, asked, chosen)
    if chosen is None:
        st.html(nothing(_why_none(taken, asked)))
        return
    _objective(url, taken, asked, rows, chosen)


def rows_of(taken: Snapshot, asked: Asked) -> list[dict[str, Any]]:
    """The rows of the chosen objective and group, the worst first; without a choice the worst objective's."""
    filters = Filters(group=asked.group)
    fitting = worst_first(row for row in taken.status if filters.covers(row["group"]))
    slo = asked.slo or (fitting[0]["slo"] if fitting else None)
    return [row for row in fitting if row["slo"] == slo]


def _choose(names: Sequence[str], asked: Asked, chosen: Mapping[str, Any] | None) -> None:
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        controls.choose_one("Choose an SLO", names, chosen["slo"] if chosen else asked.slo, "slo", _PAGE)
    with right:
        controls.choose_range(asked, _PAGE, _default_range(chosen))


def _default_range(chosen: Mapping[str, Any] | None) -> str:
    """What burns is in the last hours; of what is well the whole window is looked at, as far as a range holds it."""
    if chosen and chosen["state"] in ("firing", "pending"):
        return "6h"
    window = parse_prometheus(chosen["window"]) if chosen else 0.0
    return next((name for name, seconds in reversed(RANGES.items()) if seconds <= window), "1h")


def _why_none(taken: Snapshot, asked: Asked) -> str:
    if not taken.status:
        return "No SLO was judged yet: the first evaluation comes with the first complete minute of counts."
    if asked.slo is not None and asked.slo not in {row["slo"] for row in taken.status}:
        return f"There is no SLO {asked.slo} in force."
    return f"No group of it fits {words.group(asked.group)}."


def _objective(
    url: str, taken: Snapshot, asked: Asked, rows: Sequence[dict[str, Any]], chosen: Mapping[str, Any]
) -> None:
    given = controls.query()
    st.html(heading(chosen["slo"], words.group(chosen["group"])))
    st.html(tag("p", *_ways_out(chosen, given), cls="bl-line bl-row-links"))
    st.html(figures.headline(chosen, taken.now))
    siblings = worst_first(row for row in taken.status if row["slo"] == chosen["slo"])
    if len(siblings) > 1:
        with st.expander(
            f"{len(siblings)} groups of this objective, the worst first", key="slo-groups", expanded=len(rows) > 1
        ):
            st.html(figures.groups(siblings, chosen, given))
    counted = _counted(url)
    if counted is None:
        st.html(nothing(f"No minute was judged yet: the course of the budget is {words.NOT_MEASURED}."))
        return
    span = _with_running(span_of(asked.range or _default_range(chosen), asked.at, counted), reading.minute_of(counted))
    controls.say_span(span, given, links.SLO)
    course.show(url, chosen, span, reading.minute_of(counted), taken.now)


def _with_running(span: Span, minute: int) -> Span:
    """Shares are no rates: the bucket that still runs has one, and an incident is in no other bucket yet."""
    return span._replace(end=end_of_window(minute, span.width)) if span.live else span


def _counted(url: str) -> float | None:
    return store.status_watermark(snapshot.source(url).database)


def _ways_out(chosen: Mapping[str, Any], given: Mapping[str, str]) -> list[Any]:
    group = dict(chosen["group"])
    asked = {"at": given.get("at"), "range": given.get("range")}
    return [
        anchor("Every signal of this group", link({}, links.DEBUG, **group, **asked)),
        anchor("Open incidents", link({}, links.ON_CALL, slo=chosen["slo"], **group)),
    ]
