from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text

from storage.bulk import insert_rows, known_keys
from storage.database import Database, sqlite_url
from storage.tables import metadata, span
from tests.storage.conftest import MakeDatabase


@pytest.fixture
def database(databases: MakeDatabase) -> Database:
    return databases()


def row(n: int, name: str = "step") -> tuple[object, ...]:
    attributes = {"text": "naïve ☃", "list": [1, 2.5, True, None]}
    return (f"{n:032x}", f"{n:016x}", None, "shop", name, 3, 1.5, 2.5, None, attributes, [{"name": "e"}])


def test_rows_come_back_as_they_went_and_one_that_exists_stays_when_asked(database: Database) -> None:
    with database.write() as connection:
        insert_rows(connection, span, [row(1), row(2)])
        insert_rows(connection, span, [row(2, "another"), row(3), row(3, "again")], ignore=True)
        insert_rows(connection, span, [])
    with database.read() as connection:
        found = [tuple(one) for one in connection.execute(span.select().order_by(span.c.trace_id))]
    assert found == [row(1), row(2), row(3)]


@pytest.mark.parametrize("asked", [0, 1, 2, 17, 512, 513, 1100])
def test_the_known_among_any_number_of_keys_are_found(database: Database, asked: int) -> None:
    keys = [(f"{n:032x}", f"{n:016x}") for n in range(asked)]
    with database.write() as connection:
        insert_rows(connection, span, [row(n) for n in range(0, asked, 3)])
        assert known_keys(connection, span, keys) == set(keys[::3])


def test_keys_are_looked_up_by_the_index_of_sqlite(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    metadata.create_all(database.engine)
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    with database.write() as connection:
        known_keys(connection, span, [(f"{n:032x}", f"{n:016x}") for n in range(5)])
        query = next(one for one in asked if one.startswith("WITH"))
        plan = connection.execute(text("EXPLAIN QUERY PLAN " + query.replace("?", "'x'"))).all()
    steps = [one.detail for one in plan]
    assert any(one.startswith("SEARCH found USING") for one in steps), steps
    assert not any(one.startswith("SCAN found") for one in steps), steps
