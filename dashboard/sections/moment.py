"""The line that says which time is shown, when that is not now."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dashboard import links, words
from dashboard.filters import Filters
from dashboard.markup import link, tag
from dashboard.snapshot import Snapshot


def show(taken: Snapshot, chosen: Filters) -> None:
    """Nothing while the page shows now."""
    if not taken.past or chosen.at is None:
        return
    back = link("Back to now", links.address(links.ON_CALL, replace(chosen, at=None)))
    text = f"Shown as of {words.since(chosen.at, taken.now)}. Budgets, targets and silences are those of now. "
    st.html(tag("p", tag("strong", text), back, cls="bl-moment", role="status"))
