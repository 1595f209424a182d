"""Notifications that did not arrive, and silences that keep others from being sent."""

from __future__ import annotations

import streamlit as st

from dashboard import words
from dashboard.login import Viewer
from dashboard.markup import Html, row, table, tag
from dashboard.sections import actions
from dashboard.sections.signs import heading, nothing, sign
from dashboard.snapshot import Snapshot
from storage.outbox import Health
from storage.silences import Silence


def show(taken: Snapshot, database_url: str, viewer: Viewer) -> None:
    """Receivers with open or failed rows; then silences that hold or will."""
    st.html(heading("Deliveries"))
    if taken.deliveries:
        heads = ("State", "Receiver", "Waiting", "Longest wait", "Given up", "Last error")
        st.html(table(heads, (_delivery(one, taken.now) for one in taken.deliveries)))
    else:
        st.html(nothing("Every notification has arrived."))
    if taken.silences:
        st.html(heading("Silences", f"{len(taken.silences)} hold or will"))
    for one in taken.silences:
        with st.container(horizontal=True, vertical_alignment="center", key=f"silence-{one.id}"):
            st.html(_silence(one, taken.now))
            if viewer.may_write:
                actions.end_silence(one.id, database_url, viewer)


def _delivery(one: Health, now: float) -> Html:
    state = "retrying" if one.depth and one.last_error else "failed" if one.failed else "waiting"
    waits = "none waits" if one.oldest_open is None else words.age(now - one.oldest_open)
    return row(sign(state), one.receiver, str(one.depth), waits, str(one.failed), one.last_error or "none")


def _silence(one: Silence, now: float) -> Html:
    state = "active" if one.is_active(now) else "not begun"
    matchers = ", ".join(str(matcher) for matcher in one.matchers)
    ends = f"ends in {words.age(one.ends_at - now)} ({words.clock(one.ends_at, now)})"
    comment = f": {one.comment}" if one.comment else ""
    return tag("p", sign(state), " ", tag("code", matchers), f" · {ends} · by {one.created_by}{comment}", cls="bl-line")
