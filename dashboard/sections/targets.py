"""Targets: those that are down or excluded, with the reason, before those that are well."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import words
from dashboard.filters import Filters
from dashboard.markup import Html, cell, row, table, tag
from dashboard.sections.signs import heading, nothing, sign
from dashboard.snapshot import Snapshot
from storage.fleet import TargetHealth

MOST = 40
_HEADS = ("State", "Target", "Serves", "Last scrape", "What is wrong")
_EXCLUDING = "sawtooth"
_ORDER = ("down", "excluded", "never scraped", "up")


def show(taken: Snapshot, filters: Filters) -> None:
    """Two tables: what needs a look, open; the rest, folded."""
    mine = [target for target in taken.targets if _meant(target, filters)]
    ill = [target for target in mine if state_of(target) != "up" or target.conditions]
    well = [target for target in mine if target not in ill]
    st.html(heading("Targets", _tally(mine)))
    if not mine:
        st.html(nothing("No target fits the filters." if taken.targets else "Discovery has found no target yet."))
    if ill:
        st.html(_table(sorted(ill, key=lambda t: (_ORDER.index(state_of(t)), t.job, t.url)), taken.now))
    elif mine:
        st.html(nothing("All answer."))
    if well:
        with st.expander(f"{len(well)} targets that are up", key="targets-up"):
            st.html(_table(well, taken.now))


def state_of(target: TargetHealth) -> str:
    """One word: down, excluded, never scraped or up."""
    if target.up is False:
        return "down"
    if any(_name(condition) == _EXCLUDING for condition in target.conditions):
        return "excluded"
    return "up" if target.up else "never scraped"


def _name(condition: str) -> str:
    """A condition's name stands before its meaning."""
    return condition.partition(":")[0]


def _meant(target: TargetHealth, filters: Filters) -> bool:
    return any(filters.covers(group) for group in target.groups or [target.labels])


def _tally(targets: Sequence[TargetHealth]) -> str:
    states = [state_of(target) for target in targets]
    return ", ".join(f"{states.count(state)} {state}" for state in _ORDER if state in states)


def _table(targets: Sequence[TargetHealth], now: float) -> Html:
    rows = [_row(target, now) for target in targets[:MOST]]
    if len(targets) > MOST:
        text = f"{len(targets) - MOST} more: narrow the page with filters to see them."
        rows.append(row(cell(text, span=len(_HEADS))))
    return table(_HEADS, rows, cls="bl-targets")


def _row(target: TargetHealth, now: float) -> Html:
    engine = f"{target.job} · {target.engine or 'engine not recognised'}"
    serves = "; ".join(words.group(group) for group in target.groups) or "not known yet"
    scraped = "never" if target.last_scrape_at is None else f"{words.age(now - target.last_scrape_at)} ago"
    return row(
        cell(sign(state_of(target))),
        cell(tag("code", words.place(target.url)), tag("small", engine)),
        serves,
        scraped,
        cell(*_faults(target)),
    )


def _faults(target: TargetHealth) -> list[Html]:
    found = [tag("span", condition, cls="bl-line") for condition in target.conditions]
    if target.up is False:
        error = f"{target.error_reason or 'no reason given'}: {target.error or 'no text given'}"
        found.insert(0, tag("span", error, cls="bl-line"))
    return found or [tag("span", "nothing known", cls="bl-quiet")]
