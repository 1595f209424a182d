"""`burnline silence`: keep quiet about what is known."""

from __future__ import annotations

import getpass
import time
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

app = typer.Typer(help="Silences: alerts that notify nobody for a while.", rich_markup_mode=None, no_args_is_help=True)


@app.command()
def add(
    matchers: Annotated[list[str], typer.Argument(help="Matchers, as slo=ttft version=v2 or region=~eu-.*")],
    duration: Annotated[str, typer.Option("--for", help="How long, as 2h or 30m")] = "2h",
    comment: Annotated[str, typer.Option(help="Why")] = "",
    by: Annotated[str | None, typer.Option(help="Who [default: you]")] = None,
    config: ConfigOption = None,
) -> None:
    """Silence alerts that match.

    Example: burnline silence add slo=ttft version=v2 --for 1h --comment "rolling back"
    """
    from core.durations import parse_prometheus
    from core.matchers import parse_matchers
    from storage import silences

    found = parse_matchers(", ".join(matchers))
    now = time.time()
    database = open_database(settings_of(config))
    ends = now + parse_prometheus(duration)
    typer.echo(silences.add(database, found, now, ends, by or getpass.getuser(), comment, now))


@app.command("list")
def list_silences(
    expired: Annotated[bool, typer.Option("--expired", help="Show those that have ended too")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List silences that hold or will, soonest end first."""
    from burnline import views
    from storage import silences

    found = silences.list_silences(open_database(settings_of(config)), time.time(), include_expired=expired)
    if json:
        print_json([views.silence(one, time.time()) for one in found])
        return
    table(
        [[s.id, ", ".join(map(str, s.matchers)), s.created_by, s.comment] for s in found],
        ["ID", "MATCHERS", "BY", "WHY"],
    )


@app.command()
def expire(
    silence_id: Annotated[str, typer.Argument(help="The silence's id")],
    by: Annotated[str | None, typer.Option(help="Who [default: you]")] = None,
    config: ConfigOption = None,
) -> None:
    """End a silence now. Example: burnline silence expire 3f2a…"""
    from storage import silences

    silences.expire(open_database(settings_of(config)), silence_id, by or getpass.getuser(), time.time())
