"""A world to fill, and the app run over it without a server."""

from __future__ import annotations

import html
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboard.launch import APP
from tests.dashboard.world import World

Opened = Callable[..., "Page"]


class Page:
    """A page as it was last drawn."""

    def __init__(self, app: AppTest) -> None:
        self.app = app

    @property
    def markup(self) -> str:
        """All markup that the page made itself, without the style sheet."""
        return "\n".join(body for one in self.app.get("html") if "stMainBlockContainer" not in (body := one.proto.body))

    @property
    def text(self) -> str:
        """What a person reads in it, with plain spaces and an x for the times sign."""
        plain = (
            html.unescape(re.sub(r"<[^>]+>", " ", self.markup))
            .replace("\u202f", " ")
            .replace("\N{MULTIPLICATION SIGN}", "x")
        )
        return re.sub(r"\s+", " ", plain)

    def section(self, start: str, end: str) -> str:
        """The text between two headings."""
        return self.text.partition(start)[2].partition(end)[0]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, time.time())
    yield made
    st.cache_resource.clear()
    made.db.dispose()


@pytest.fixture
def opened(world: World, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a page by its path, On-call by default, with query parameters."""

    def open_page(query: Mapping[str, str] | None = None, page: str = "") -> Page:
        monkeypatch.setattr(sys, "argv", ["app.py", "--database", world.url])
        app = AppTest.from_file(str(APP), default_timeout=30)
        for name, value in (query or {}).items():
            app.query_params[name] = value
        if page:
            app._page_hash = calc_hash(page)
        app.run()
        assert not app.exception, [one.message for one in app.exception]
        return Page(app)

    return open_page
