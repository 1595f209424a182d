"""`burnline db`: the schema."""

from __future__ import annotations

from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, settings_of

app = typer.Typer(
    help="The database schema: forward, back, and where it stands.", rich_markup_mode=None, no_args_is_help=True
)


@app.command()
def upgrade(config: ConfigOption = None, revision: Annotated[str, typer.Argument(help="Where to go")] = "head") -> None:
    """Bring the schema forward. Example: burnline db upgrade"""
    from storage import migrate
    from storage.database import Database

    database = Database(settings_of(config).database_url)
    migrate.upgrade(database, revision)
    typer.echo(f"the database is at revision {migrate.current(database)}")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="A revision, -1, or base")], config: ConfigOption = None
) -> None:
    """Take the schema back. Example: burnline db downgrade -- -1"""
    from storage import migrate
    from storage.database import Database

    database = Database(settings_of(config).database_url)
    migrate.downgrade(database, revision)
    typer.echo(f"the database is at revision {migrate.current(database) or 'base'}")


@app.command()
def current(config: ConfigOption = None) -> None:
    """Say which revision the schema is at, and which this version needs."""
    from storage import migrate
    from storage.database import Database

    database = Database(settings_of(config).database_url)
    typer.echo(f"{migrate.current(database) or 'none'} (this version needs {migrate.head(database)})")
