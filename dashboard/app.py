"""The dashboard's entry: frame and router. A page is one module in dashboard/pages with a `show` function."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import options
from dashboard.pages import on_call

_STYLE = Path(__file__).with_name("style.css")
# A Material icon for the tab would be fetched from a font server.
_ICON = Path(__file__).with_name("icon.svg")


def main() -> None:
    """Draw the frame and the page that the address names."""
    st.set_page_config(page_title="Burnline", page_icon=str(_ICON), layout="wide")
    st.html(_STYLE)
    given = options.read()
    first = st.Page(partial(on_call.show, given), title="On-call", icon=":material/notifications_active:", default=True)
    st.navigation([first], position="top").run()


if __name__ == "__main__":
    main()
