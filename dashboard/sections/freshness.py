"""The line on top: how old the data are."""

from __future__ import annotations

import streamlit as st

from dashboard.freshness import Freshness, Level
from dashboard.snapshot import Snapshot


def show(taken: Snapshot) -> None:
    """Quiet while the data are fresh, loud when they are not. The text is made of our own words and numbers."""
    say(taken.freshness)


def say(judged: Freshness) -> None:
    """The line for one judgement."""
    level, text = judged
    if level is Level.BLIND:
        st.error(f"**{text}**", icon=":material/visibility_off:")
    elif level is Level.ENGINE_SILENT:
        st.warning(f"**{text}**", icon=":material/warning:")
    elif level is Level.WARMING:
        st.info(text, icon=":material/hourglass_top:")
    else:
        st.caption(text)
