"""How the dashboard's server is started."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from core.durations import HOUR
from core.errors import ConfigError
from dashboard.options import DATABASE_VARIABLE, LOGIN_VARIABLE, Login, written
from dashboard.settings import DashboardSettings, LoginSettings

APP = Path(__file__).with_name("entry") / "main.py"

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


SECRETS_VARIABLE = "BURNLINE_DASHBOARD_SECRETS"
"""Where the file with the login's secrets is, so that the server can take it away when it ends."""
_COOKIE_SECRET = 32
"""Characters that the cookie's secret has at least: less could be guessed from one cookie."""


def command(database_url: str, settings: DashboardSettings) -> Launch:
    """The server for one database, bound as the settings say. The URL travels in the environment, unseen by `ps`.

    With a login a file with its secrets is written, for this user's eyes only. ConfigError when one cannot be read.
    """
    options = _SERVER | {"server.address": settings.host, "server.port": str(settings.port)}
    options |= {f"theme.{name}.{key}": value for name, theme in _THEMES.items() for key, value in theme.items()}
    env = {DATABASE_VARIABLE: database_url}
    if settings.login.enabled:
        secrets = _write(_secrets(settings.login, settings.external_url))
        options["secrets.files"] = str(secrets)
        login = Login(settings.login.roles, settings.login.session_hours * HOUR)
        env |= {LOGIN_VARIABLE: written(login), SECRETS_VARIABLE: str(secrets)}
    flags = [f"--{name}={value}" for name, value in options.items()]
    argv = [sys.executable, "-m", "streamlit", "run", str(APP), *flags, "--", f"--refresh={settings.refresh_seconds}"]
    return Launch(argv, env)


def _secrets(login: LoginSettings, external_url: str) -> str:
    """Streamlit's `[auth]` section."""
    cookie = _read("dashboard.login.cookie_secret_file", login.cookie_secret_file)
    if len(cookie) < _COOKIE_SECRET:
        raise ConfigError(f"dashboard.login.cookie_secret_file: write at least {_COOKIE_SECRET} random characters")
    values = {
        "redirect_uri": f"{external_url.rstrip('/')}/oauth2callback",
        "cookie_secret": cookie,
        "client_id": login.client_id,
        "client_secret": _read("dashboard.login.client_secret_file", login.client_secret_file),
        "server_metadata_url": login.server_metadata_url,
    }
    # A JSON string is a TOML string too.
    return "\n".join(["[auth]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()), ""])


def _read(setting: str, file: Path | None) -> str:
    try:
        text = "" if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{setting}: {error}") from error
    if not text:
        raise ConfigError(f"{setting}: there is nothing in it")
    return text


def _write(text: str) -> Path:
    """A new file in a new folder, both for this user alone."""
    folder = Path(tempfile.mkdtemp(prefix="burnline-dashboard-"))
    file = folder / "secrets.toml"
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file
