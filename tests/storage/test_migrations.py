"""Migrations forward and back with data in the tables, and that they make what storage.tables describes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    Table,
    create_engine,
    func,
    insert,
    inspect,
    select,
)

from core.errors import StorageError
from storage import migrate
from storage.database import Database, sqlite_url
from storage.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        database = Database(sqlite_url(tmp_path / "burnline.db"))
    else:
        database = _in_a_schema_of_its_own(request.getfixturevalue("postgresql_url"))
    yield database
    database.dispose()


def _in_a_schema_of_its_own(url: str) -> Database:
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS migrated CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA migrated")
    admin.dispose()
    return Database(f"{url}&options=-csearch_path%3Dmigrated")


def tables_of(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def a_value(column: Column[Any], salt: int) -> Any:
    """Something that fits the column."""
    kind = column.type
    if isinstance(kind, JSON):
        return {"a": [salt]}
    if isinstance(kind, LargeBinary):
        return b"\x00\xff"
    if isinstance(kind, Boolean):
        return True
    return salt if isinstance(kind, Integer | Float) else f"t{salt}"


def fill(database: Database) -> None:
    """One row in every table, parents first."""
    with database.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(insert(table).values({c.name: a_value(c, 1) for c in table.columns}))


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_the_migrations_make_exactly_the_tables_that_the_code_describes(empty: Database) -> None:
    migrate.upgrade(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert tables_of(empty) == set(metadata.tables)


def test_back_and_forward_again_with_rows_in_every_table(empty: Database) -> None:
    migrate.upgrade(empty)
    fill(empty)
    assert {table.name: count(empty, table) for table in metadata.sorted_tables} == dict.fromkeys(metadata.tables, 1)
    migrate.downgrade(empty, "base")
    assert tables_of(empty) == set()
    assert migrate.current(empty) is None
    migrate.upgrade(empty)
    fill(empty)


def test_a_step_back_and_forward_keeps_the_rows_of_the_tables_before(empty: Database) -> None:
    migrate.upgrade(empty, "0001")
    older = tables_of(empty)
    with empty.write() as connection:
        for table in metadata.sorted_tables:
            if table.name in older:
                connection.execute(insert(table).values({c.name: a_value(c, 1) for c in table.columns}))
    migrate.upgrade(empty)
    assert tables_of(empty) > older
    migrate.downgrade(empty, "0001")
    assert tables_of(empty) == older
    migrate.upgrade(empty)
    assert {name: count(empty, metadata.tables[name]) for name in older} == dict.fromkeys(older, 1)


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(empty: Database) -> None:
    migrate.upgrade(empty)
    fill(empty)
    migrate.upgrade(empty)
    assert migrate.current(empty) == migrate.head(empty)
    assert all(count(empty, table) == 1 for table in metadata.sorted_tables)


def test_a_schema_of_another_version_is_refused_with_the_way_out(empty: Database) -> None:
    with pytest.raises(StorageError, match="burnline db upgrade"):
        migrate.require_current(empty)
    migrate.upgrade(empty)
    migrate.require_current(empty)


def test_a_database_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "burnline.db").write_bytes(b"this is no database, and longer than a header of one" * 4)
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    with pytest.raises(StorageError):
        migrate.upgrade(database)
    database.dispose()
