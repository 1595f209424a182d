"""The executive page: how the last week was, in half a minute; it prints on a page."""

from __future__ import annotations

import streamlit as st

from core.errors import StorageError
from dashboard import filters, links, login, overview, words
from dashboard.charts import draw, week_beside_week
from dashboard.filters import Filters
from dashboard.history import WEEK, History
from dashboard.markup import Html, link, row, table, tag
from dashboard.options import Options
from dashboard.overview import Overview
from dashboard.sections import canaries, figures, freshness, promises
from dashboard.sections.signs import heading, nothing, sign

_REFRESH = 30.0
"""Seconds: the page is about hours."""


def show(options: Options) -> None:
    """Draw the page, and again from time to time."""
    st.fragment(_live, run_every=max(_REFRESH, options.refresh))(options)


def _live(options: Options) -> None:
    if login.admit(options) is None:
        return
    try:
        read = overview.current(options.database_url)
    except StorageError as error:
        st.error("**The database does not answer.** The page tries again by itself.", icon=":material/database_off:")
        st.html(tag("p", str(error), cls="bl-fault"))
        return
    _draw(read, filters.from_query(st.query_params))


def _draw(read: Overview, chosen: Filters) -> None:
    # What a link narrows to is said; SLOs, moments and incidents are not what a week is made of.
    chosen = Filters(group=chosen.group)
    st.html(_head(read, chosen))
    if read.freshness.level.value != "fresh":
        freshness.say(read.freshness)
    now, before = read.history.week(chosen), read.history.week(chosen, back=1)
    figures.show(
        (
            figures.requests(now, before),
            figures.cost(now, before),
            figures.availability(now, before),
            figures.support(read.support, read.support_before),
        )
    )
    left, right = st.columns([6, 5], gap="medium")
    with left:
        _traffic(read.history, chosen)
        _canaries(read, chosen)
    with right:
        promises.show([one for one in read.status if chosen.covers(one["group"])])


def _head(read: Overview, chosen: Filters) -> Html:
    end = read.history.end
    span = f"{words.day(end - WEEK)} to {words.hour(end)}" if end else "no whole hour is known yet"
    who = f" · {words.group(chosen.group)}" if chosen.group else ""
    title = tag("h2", "The last seven days", tag("small", f"{span}{who}"), cls="bl-title")
    return tag("div", title, tag("p", *_standing(read), cls="bl-line"))


def _standing(read: Overview) -> list[str]:
    """The one sentence for somebody who reads nothing else."""
    pages = sum(1 for one in read.incidents if one.severity == "page")
    if not read.incidents:
        return [tag("strong", "● Nothing is on fire now: "), "no incident is open."]
    said = f"{len(read.incidents)} open incidents, {pages} urgent. " if len(read.incidents) > 1 else "1 open incident. "
    shape = "▲ " if pages else "◆ "
    return [tag("strong", f"{shape}{said}"), link("See who has it", links.ON_CALL)]


def _traffic(history: History, chosen: Filters) -> None:
    st.html(heading("Requests a second, by hour", "UTC"))
    hours = {at: sums.total / 3600 for at, sums in history.by_hour(chosen).items()}
    if not hours:
        st.html(nothing(f"{words.NOT_MEASURED}: no whole hour is known yet."))
        return
    draw(week_beside_week(hours, hours, history.end, ".2~f"), key="week", text="Requests a second by hour")


def _canaries(read: Overview, chosen: Filters) -> None:
    mine = [one for one in read.canaries if chosen.covers({"model": one.model})]
    st.html(heading("New versions on trial", f"{len(mine)} active" if mine else ""))
    if not mine:
        st.html(nothing("None: every model is served in one version."))
        return
    rows = [
        row(
            sign(one.state.replace("_", " ")),
            link(canaries.title(one), links.address(links.ON_CALL, Filters(canary=one.id))),
            f"for {words.age(read.now - one.started_at)}",
            str(one.verdict.get("reason") or "no reason given"),
        )
        for one in mine
    ]
    st.html(table(("Verdict", "Which", "Runs", "Why"), rows))
