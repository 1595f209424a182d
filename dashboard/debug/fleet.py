"""Targets as the Debug page lists them, and one target with everything that its last scrape said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from dashboard import links, words
from dashboard.debug.address import Asked, link
from dashboard.filters import Filters
from dashboard.markup import Html, cell, row, table, tag
from dashboard.markup import link as anchor
from dashboard.sections.signs import heading, nothing, sign
from dashboard.sections.targets import state_of
from storage.fleet import OWN_JOB, TargetHealth

MOST = 60
_ORDER = ("down", "excluded", "never scraped", "up")


def find(targets: Sequence[TargetHealth], named: str) -> TargetHealth | None:
    """The target of a URL or of an instance label."""
    by_url = next((target for target in targets if target.url == named), None)
    return by_url or next((target for target in targets if target.labels.get("instance") == named), None)


def meant(targets: Sequence[TargetHealth], group: Mapping[str, str]) -> list[TargetHealth]:
    """Targets that serve a group, those in trouble first; Burnline's own only where nothing narrows."""
    filters = Filters(group=group)
    found = [one for one in targets if any(filters.covers(own) for own in one.groups or [one.labels])]
    if group:
        found = [one for one in found if one.job != OWN_JOB]
    return sorted(found, key=lambda one: (_ORDER.index(state_of(one)), not one.conditions, one.job == OWN_JOB, one.url))


def table_of(mine: Sequence[TargetHealth], query: Mapping[str, str], now: float) -> Html:
    """One row a target, each a link to its own page."""
    heads = ("State", "Target", "Serves", "Last scrape", "Took", "Samples", "What is wrong")
    rows = [_row(target, query, now) for target in mine[:MOST]]
    if len(mine) > MOST:
        rows.append(row(cell(f"{len(mine) - MOST} more: narrow the page to see them.", span=len(heads))))
    return table(heads, rows, cls="bl-targets")


def show(mine: Sequence[TargetHealth], asked: Asked, query: Mapping[str, str], now: float) -> None:
    """The table, open where something is wrong."""
    ill = [one for one in mine if state_of(one) != "up" or one.conditions]
    st.html(heading("Targets", f"{len(mine)}, {len(ill)} with a fault"))
    if not mine:
        text = "No target serves this group." if asked.group else "Discovery has found no target yet."
        st.html(nothing(text))
        return
    if ill:
        st.html(table_of(ill, query, now))
    well = [one for one in mine if one not in ill]
    if well:
        with st.expander(
            f"{len(well)} targets that are up", key="debug-targets-up", expanded=not asked.group and not ill
        ):
            st.html(table_of(well, query, now))


def detail(target: TargetHealth, query: Mapping[str, str], now: float) -> None:
    """One target: state, scrapes and errors."""
    st.html(heading(words.place(target.url), f"{target.job} · {target.engine or 'engine not recognised'}"))
    st.html(tag("p", *_ways_out(target, query), cls="bl-line bl-row-links"))
    st.html(
        tag(
            "div",
            *(tag("span", tag("small", name), tag("b", text), cls="bl-figure") for name, text in _facts(target, now)),
            cls="bl-figures",
        )
    )
    st.html(tag("p", sign(state_of(target)), " ", *_faults(target, now), cls="bl-line"))


def _ways_out(target: TargetHealth, query: Mapping[str, str]) -> Iterable[Html]:
    yield anchor("All targets", link(query, links.DEBUG, target=None, metric=None))
    for group in target.groups:
        if group:
            kept = dict.fromkeys(("target", "metric", "model", "version", "region", "tenant"))
            yield anchor(f"The whole group {words.group(group)}", link(query, links.DEBUG, **{**kept, **group}))


def _facts(target: TargetHealth, now: float) -> Iterable[tuple[str, str]]:
    yield "last scrape", _ago(target.last_scrape_at, now)
    yield "last success", _ago(target.last_success_at, now)
    yield "last progress", _ago(target.progress_at, now)
    yield "a scrape took", _took(target)
    yield "samples", words.NOT_MEASURED if target.samples is None else words.count(target.samples)
    yield "scraped every", words.age(target.interval)
    yield "watched for", words.age(now - target.watched_since)
    yield "layer", target.layer or "not known"


def _faults(target: TargetHealth, now: float) -> Iterable[Html]:
    if target.error_reason or target.error:
        when = "" if target.up is not True else " (before the last success)"
        yield tag(
            "span", f"{target.error_reason or 'error'}: {target.error or 'no text given'}{when}. ", cls="bl-error"
        )
    for name in target.conditions:
        yield tag("span", f"■ {name} ", cls="bl-fact")
    if target.left_at is not None:
        yield tag("span", f"left discovery {words.since(target.left_at, now)}")
    if not (target.error_reason or target.error or target.conditions):
        yield tag("span", "no scrape error and no condition is known", cls="bl-quiet")


def _row(target: TargetHealth, query: Mapping[str, str], now: float) -> Html:
    place = anchor(words.place(target.url), link(query, links.DEBUG, target=target.url, metric=None, trace=None))
    kind = f"{target.job} · {target.engine or 'engine not recognised'}"
    serves = "; ".join(words.group(group) for group in target.groups if group) or "no group is known"
    return row(
        cell(sign(state_of(target))),
        cell(place, tag("small", kind)),
        serves,
        _ago(target.last_scrape_at, now),
        cell(_took(target), cls="bl-number"),
        cell("none" if target.samples is None else words.count(target.samples), cls="bl-number"),
        cell(*_faults(target, now)),
    )


def _ago(time: float | None, now: float) -> str:
    return "never" if time is None else f"{words.age(now - time)} ago"


def _took(target: TargetHealth) -> str:
    return words.NOT_MEASURED if target.scrape_seconds is None else f"{target.scrape_seconds * 1000:.0f}\u202fms"
