"""The Debug and SLO pages by themselves, run without a server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import Page
from tests.dashboard.world import World

Shown = Callable[..., Page]


def _script(page: str, url: str) -> None:
    from importlib import import_module

    from dashboard.options import Options

    import_module(f"dashboard.pages.{page}").show(Options(url, 5.0))


@pytest.fixture
def shown(world: World) -> Shown:
    """Opens a page by its module's name, with query parameters."""

    def show(page: str, **query: str) -> Page:
        app = AppTest.from_function(_script, args=(page, world.url), default_timeout=30)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, [one.message for one in app.exception]
        return Page(app)

    return show
