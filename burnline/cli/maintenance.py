"""`burnline maintenance`: time that SLOs which say so do not count."""

from __future__ import annotations

import getpass
import time
from typing import Annotated, Any

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

app = typer.Typer(
    help="Maintenance: time that SLOs with burnline/exclude do not count.", rich_markup_mode=None, no_args_is_help=True
)


@app.command()
def add(
    matchers: Annotated[
        list[str], typer.Argument(help="Matchers on slo, service and labels of groups, as slo=~chat-.* region=eu")
    ],
    reason: Annotated[str, typer.Option(help="Why; it is told with the numbers that it touches")],
    duration: Annotated[str, typer.Option("--for", help="How long each time, as 2h or 30m")] = "1h",
    begin: Annotated[
        str | None, typer.Option("--from", help="When it begins, by the clocks of the zone [default: now]")
    ] = None,
    zone: Annotated[str, typer.Option(help="The time zone, as Europe/Warsaw")] = "UTC",
    rule: Annotated[str | None, typer.Option(help="When it comes again, as an RRULE of RFC 5545")] = None,
    by: Annotated[str | None, typer.Option(help="Who [default: you]")] = None,
    config: ConfigOption = None,
) -> None:
    """Announce maintenance and print its id. It may begin 48 hours back.

    Example: burnline maintenance add slo=~chat-.* --for 2h --rule FREQ=DAILY --reason "driver upgrades"
    """
    from burnline.maintaining import announced
    from core.matchers import parse_matchers
    from storage import maintenance

    now = time.time()
    when = announced(begin, duration, zone, rule, now)
    found, who = parse_matchers(", ".join(matchers)), by or getpass.getuser()
    typer.echo(maintenance.add(open_database(settings_of(config)), found, when, reason, who, now))


@app.command("list")
def list_maintenance(
    over: Annotated[bool, typer.Option("--over", help="Show what is over too")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List maintenance that holds or will come. Example: burnline maintenance list --over"""
    from burnline import views
    from storage import maintenance

    now = time.time()
    found = maintenance.list_maintenance(open_database(settings_of(config)), now, include_over=over)
    rows = [views.maintenance(one, now) for one in found]
    if json:
        print_json(rows)
        return
    table(
        [[*_when(r), ", ".join(r["matchers"]), r["rule"] or "-", r["created_by"], r["reason"]] for r in rows],
        ["ID", "STATE", "BEGINS", "ENDS", "MATCHERS", "RULE", "BY", "WHY"],
    )


@app.command()
def end(
    maintenance_id: Annotated[str, typer.Argument(help="Its id")],
    by: Annotated[str | None, typer.Option(help="Who [default: you]")] = None,
    config: ConfigOption = None,
) -> None:
    """End maintenance now, and all that would come again. Example: burnline maintenance end 3f2a…"""
    from storage import maintenance

    maintenance.end(open_database(settings_of(config)), maintenance_id, by or getpass.getuser(), time.time())


def _when(row: dict[str, Any]) -> list[str]:
    return [row["id"], row["state"], row["next_begins_at"] or "-", row["next_ends_at"] or "-"]
