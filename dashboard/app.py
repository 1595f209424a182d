"""Frame and router, run by dashboard/entry/main.py. A page is one module in dashboard/pages with a `show` function."""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard import login, options
from dashboard.launch import SECRETS_VARIABLE
from dashboard.options import Options
from dashboard.pages import debug, executive, on_call, slo

_STYLE = Path(__file__).with_name("style.css")
# A Material icon for the tab would be fetched from a font server.
_ICON = Path(__file__).with_name("icon.svg")


def main() -> None:
    """Draw the frame and the page that the address names."""
    st.set_page_config(page_title="Burnline", page_icon=str(_ICON), layout="wide")
    st.html(_STYLE)
    given = options.read()
    _forget_secrets_at_exit()
    pages = _pages(given)
    viewer = login.admit(given)
    if viewer is None:
        # The pages stay known, so that an address still names one after the login.
        st.navigation(pages, position="hidden")
        return
    page = st.navigation(pages, position="top")
    login.say(viewer)
    page.run()


def _pages(given: Options) -> list[StreamlitPage]:
    return [
        _page(executive.show, given, "Executive", "executive", ":material/monitoring:"),
        _page(on_call.show, given, "On-call", "on-call", ":material/notifications_active:", first=True),
        _page(debug.show, given, "Debug", "debug", ":material/troubleshoot:"),
        _page(slo.show, given, "SLO", "slo", ":material/target:"),
    ]


def _page(
    show: Callable[[Options], None], given: Options, title: str, path: str, icon: str, first: bool = False
) -> StreamlitPage:
    return st.Page(partial(show, given), title=title, url_path=path, icon=icon, default=first)


@st.cache_resource(show_spinner=False)
def _forget_secrets_at_exit() -> None:
    """The file that the server was started with ends with it."""
    if path := os.environ.get(SECRETS_VARIABLE):
        atexit.register(shutil.rmtree, Path(path).parent, ignore_errors=True)
