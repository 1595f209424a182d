"""How the dashboard's server is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dashboard.options import DATABASE_VARIABLE
from dashboard.settings import DashboardSettings

APP = Path(__file__).with_name("app.py")

_SERVER = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer",
    # A traceback can hold rows and paths; the page says what failed in its own words, the log has the rest.
    "client.showErrorDetails": "none",
    "logger.hideWelcomeMessage": "true",
}
# Text and its background differ by more than 12 : 1 in both; white on the primary blue by 5 : 1.
_THEMES = {
    "light": {
        "primaryColor": "#0072B2",
        "linkColor": "#0072B2",
        "backgroundColor": "#FFFFFF",
        "secondaryBackgroundColor": "#F2F4F7",
        "textColor": "#16202C",
    },
    "dark": {
        "primaryColor": "#0072B2",
        "linkColor": "#56B4E9",
        "backgroundColor": "#10161D",
        "secondaryBackgroundColor": "#1B242E",
        "textColor": "#E8EDF2",
    },
}


class Launch(NamedTuple):
    """A process to start: its arguments, and what to add to the environment."""

    argv: list[str]
    env: Mapping[str, str]


def command(database_url: str, settings: DashboardSettings) -> Launch:
    """The server for one database, bound as the settings say. The URL travels in the environment, unseen by `ps`."""
    options = _SERVER | {"server.address": settings.host, "server.port": str(settings.port)}
    options |= {f"theme.{name}.{key}": value for name, theme in _THEMES.items() for key, value in theme.items()}
    flags = [f"--{name}={value}" for name, value in options.items()]
    argv = [sys.executable, "-m", "streamlit", "run", str(APP), *flags, "--", f"--refresh={settings.refresh_seconds}"]
    return Launch(argv, {DATABASE_VARIABLE: database_url})
