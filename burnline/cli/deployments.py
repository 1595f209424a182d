"""`burnline deployment`: tell which version begins to serve, or changes its share."""

from __future__ import annotations

import getpass
import time
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

app = typer.Typer(
    help="Deployments: versions that begin to serve or change their share.", rich_markup_mode=None, no_args_is_help=True
)


@app.command()
def add(
    version: Annotated[str, typer.Argument(help="The version, as its label says")],
    model: Annotated[str | None, typer.Option(help="The model that it serves")] = None,
    region: Annotated[str | None, typer.Option(help="Where")] = None,
    share: Annotated[float | None, typer.Option(help="Its share of the traffic, 0 to 1")] = None,
    at: Annotated[str | None, typer.Option(help="When, as RFC 3339 or Unix seconds [default: now]")] = None,
    note: Annotated[str, typer.Option(help="What people should know of it")] = "",
    by: Annotated[str | None, typer.Option(help="Who [default: you]")] = None,
    config: ConfigOption = None,
) -> None:
    """Register a deployment and print its number; the same one twice has one number.

    Example: burnline deployment add v2 --model llama --region eu-west --share 0.1 --note "new kernel"
    """
    from burnline.deploying import registered
    from storage import deployments

    wanted = registered(version, model, region, share, at, note, by or getpass.getuser(), time.time())
    typer.echo(deployments.add_once(open_database(settings_of(config)), wanted)[0].id)


@app.command("list")
def list_deployments(
    days: Annotated[float, typer.Option(min=0, max=400, help="How far back")] = 30,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List deployments, oldest first. Example: burnline deployment list --days 7"""
    from burnline.views import deployment as view
    from core.durations import DAY
    from storage import deployments

    found = deployments.since(open_database(settings_of(config)), time.time() - days * DAY)
    if json:
        print_json([view(one) for one in found])
        return
    rows = [
        [str(r["id"]), r["at"], r["model"] or "-", r["version"], r["region"] or "-", _share(r["share"]), r["note"]]
        for r in map(view, found)
    ]
    table(rows, ["ID", "AT", "MODEL", "VERSION", "REGION", "SHARE", "NOTE"])


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
