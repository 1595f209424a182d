"""`burnline config`: is the configuration right?"""

from __future__ import annotations

import typer

from burnline.cli.common import ConfigOption, JsonOption, print_json, settings_of

app = typer.Typer(help="The configuration file.", rich_markup_mode=None, no_args_is_help=True)


@app.command()
def check(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Validate the configuration and the SLO files it names; prints what is in force. Exit code 2 if it is wrong."""
    from burnline.check import check as check_settings

    settings = settings_of(config)
    notes = check_settings(settings)
    if json:
        print_json(settings.model_dump(mode="json"))
        return
    for note in notes:
        typer.echo(note)
    typer.echo("the configuration is valid")
