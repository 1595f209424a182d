"""What several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import ConfigError, Place

if TYPE_CHECKING:
    from burnline.settings import Settings
    from storage.database import Database

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file [default: $BURNLINE_CONFIG or burnline.yaml]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs")]


def settings_of(config: Path | None) -> Settings:
    """The configuration, validated."""
    from burnline.settings import load

    return load(config)


def open_database(settings: Settings) -> Database:
    """The database of the configuration, at the schema that this version needs."""
    from storage import migrate
    from storage.database import Database

    database = Database(settings.database_url)
    if database.is_sqlite and not Path(str(database.engine.url.database)).exists():
        raise ConfigError(
            "there is no database yet: run `burnline db upgrade` or `burnline up`", Place(settings.database_url, 0)
        )
    migrate.require_current(database)
    return database


def print_json(value: Any) -> None:
    """One JSON document; NaN and infinities never appear in one."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def table(rows: list[list[str]], header: list[str]) -> None:
    """Columns padded to their widest cell."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
