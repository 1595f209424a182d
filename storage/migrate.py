"""Migrations: forward and back, on SQLite and PostgreSQL, with data in the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import StorageError
from storage.database import Database, mapped_errors

_IN_WHEEL = Path(__file__).parent / "migrations"
_IN_CHECKOUT = Path(__file__).parent.parent / "alembic"


def _config(database: Database) -> Any:
    from alembic.config import Config  # noqa: PLC0415 - 0.2 s to import

    config = Config()
    folder = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT
    config.set_main_option("script_location", str(folder))
    config.attributes["engine"] = database.engine
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema forward to a revision."""
    from alembic import command  # noqa: PLC0415

    if database.is_sqlite:
        Path(str(database.engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
    with mapped_errors():
        command.upgrade(_config(database), revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to a revision (`base`, a name, or `-1`)."""
    from alembic import command  # noqa: PLC0415

    with mapped_errors():
        command.downgrade(_config(database), revision)


def current(database: Database) -> str | None:
    """The revision that the schema is at; None before the first."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    with mapped_errors(), database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head(database: Database) -> str:
    """The newest revision that this code knows."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    revision = ScriptDirectory.from_config(_config(database)).get_current_head()
    assert revision is not None
    return revision


def require_current(database: Database) -> None:
    """StorageError unless the schema is the one that this code was written for."""
    found = current(database)
    if found != head(database):
        raise StorageError(
            f"the database is at revision {found or 'none'}, this version needs {head(database)}: "
            "run `burnline db upgrade`"
        )
