"""What the app is started with: `streamlit run dashboard/app.py -- --database URL --refresh 5`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.tokens import Role

DATABASE_VARIABLE = "BURNLINE_DASHBOARD_DATABASE"
"""Instead of --database: a URL may hold a password, and every user of a machine can read command lines."""
LOGIN_VARIABLE = "BURNLINE_DASHBOARD_LOGIN"
"""Who may do what, as JSON; it holds no secret."""
REFRESH = 5.0


@dataclass(frozen=True)
class Login:
    """Roles by e-mail address or `claim=value`, and after how many seconds a login is asked for again."""

    roles: Mapping[str, Role]
    session_seconds: float


@dataclass(frozen=True)
class Options:
    """Which database is shown, how often it is read (seconds), and who may see it; without `login` anybody."""

    database_url: str
    refresh: float
    login: Login | None = None


def read(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> Options:
    """Options of the command line (this process's own by default); exits with a usage line when they are wrong."""
    parser = argparse.ArgumentParser(prog="dashboard", description="Burnline's pages for people.")
    parser.add_argument("--database", default=environ.get(DATABASE_VARIABLE), help=f"its URL; or {DATABASE_VARIABLE}")
    parser.add_argument("--refresh", type=float, default=REFRESH, help="seconds between two readings of the database")
    given = parser.parse_args(sys.argv[1:] if arguments is None else list(arguments))
    if not given.database:
        parser.error(f"name a database: --database URL, or {DATABASE_VARIABLE} in the environment")
    return Options(given.database, max(1.0, given.refresh), _login(environ.get(LOGIN_VARIABLE)))


def written(login: Login) -> str:
    """The text of LOGIN_VARIABLE."""
    return json.dumps({"roles": dict(login.roles), "session_seconds": login.session_seconds})


def _login(text: str | None) -> Login | None:
    # `written` made it; anything else is a fault that must let nobody in.
    return None if text is None else Login(**json.loads(text))
