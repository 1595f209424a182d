"""`burnline token`: who may ask the API, and change what it keeps."""

from __future__ import annotations

import getpass
import time
from enum import StrEnum
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

app = typer.Typer(help="Tokens of the HTTP API.", rich_markup_mode=None, no_args_is_help=True)


class RoleChoice(StrEnum):
    """What a token allows; each role may do what those before it may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it is; the audit names its changes so")],
    role: Annotated[RoleChoice, typer.Option(help="What it allows")],
    expires: Annotated[str | None, typer.Option(help="How long it holds, as 30d [default: until revoked]")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a token and print it, this once. From the first one on, the API asks everybody for a token.

    Examples: burnline token add ada --role admin;  burnline token add rollouts --role write --expires 90d
    """
    from burnline.views import token as view
    from core.durations import parse_prometheus
    from core.errors import ConfigError
    from storage import tokens

    if not name.strip() or not name.isprintable():
        raise ConfigError("a token needs a name of printable characters")
    now = time.time()
    expires_at = tokens.expiry(None if expires is None else parse_prometheus(expires), now)
    database = open_database(settings_of(config))
    made, secret = tokens.add(database, name, role.value, getpass.getuser(), now, expires_at)
    if json:
        print_json({**view(made, now), "secret": secret})
    else:
        typer.echo(secret)
        typer.echo(f"{made.role} token {made.id} of {made.name}: it is not shown again", err=True)


@app.command("list")
def list_tokens(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List tokens, newest first, without their secrets."""
    from burnline.views import time_text
    from burnline.views import token as view
    from storage import tokens

    now = time.time()
    found = tokens.every(open_database(settings_of(config)))
    if json:
        print_json([view(one, now) for one in found])
        return
    states = ["revoked" if t.revoked_at else "holds" if t.holds(now) else "expired" for t in found]
    rows = [
        [t.id, t.name, t.role, state, time_text(t.expires_at) or "-"] for t, state in zip(found, states, strict=True)
    ]
    table(rows, ["ID", "NAME", "ROLE", "STATE", "EXPIRES"])


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The token's id, as `burnline token list` shows it")],
    config: ConfigOption = None,
) -> None:
    """End a token; a running API refuses it within two seconds. Example: burnline token revoke 3f2a51c09b7e"""
    from storage import tokens

    tokens.revoke(open_database(settings_of(config)), token_id, getpass.getuser(), time.time())
