"""`burnline incident`: what is open, and who takes it."""

from __future__ import annotations

import getpass
import time
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

app = typer.Typer(help="Incidents: list and acknowledge.", rich_markup_mode=None, no_args_is_help=True)


@app.command("list")
def list_incidents(
    all_: Annotated[bool, typer.Option("--all", help="Show resolved ones too")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List open incidents, newest first."""
    from burnline import views
    from storage import incidents

    found = incidents.list_incidents(open_database(settings_of(config)), open_only=not all_)
    if json:
        print_json([views.incident(one) for one in found])
        return
    rows = [[str(i.id), i.severity, "open" if i.open else "resolved", i.acknowledged_by or "-", i.title] for i in found]
    table(rows, ["ID", "SEVERITY", "STATE", "ACK BY", "TITLE"])


@app.command()
def ack(
    incident_id: Annotated[int, typer.Argument(help="The incident's number")],
    comment: Annotated[str, typer.Option(help="What you are doing about it")] = "",
    by: Annotated[str | None, typer.Option(help="Who [default: you]")] = None,
    config: ConfigOption = None,
) -> None:
    """Acknowledge an incident: repeats stop until something new happens. Example: burnline incident ack 7"""
    from storage import incidents

    incidents.acknowledge(
        open_database(settings_of(config)), incident_id, by or getpass.getuser(), comment, time.time()
    )
