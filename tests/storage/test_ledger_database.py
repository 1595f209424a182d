from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import StorageBusy, StorageError, StorageFull
from storage import database as module
from storage.database import Database, sqlite_url
from storage.ledger import rows


@pytest.fixture
def small_disk(tmp_path: Path) -> Database:
    database = Database(sqlite_url(tmp_path / "full.db"))
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
        connection.exec_driver_sql("PRAGMA max_page_count = 3")
    return database


def test_a_full_disk_is_said_to_be_full_and_leaves_the_connection_usable(small_disk: Database) -> None:
    for _ in range(2):
        with pytest.raises(StorageFull), small_disk.write() as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")
    with small_disk.write() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES ('fits')")
    with small_disk.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1
    small_disk.dispose()


def test_an_error_of_the_caller_rolls_back_and_passes(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as connection:
        connection.exec_driver_sql("INSERT INTO ledger_clock VALUES (1, 1)")
        raise KeyError("caller")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger_clock").scalar() == 0


def test_a_lock_that_is_not_had_in_time_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 1)
    holder, waiter = (Database(sqlite_url(tmp_path / "one.db")) for _ in range(2))
    with holder.write(), pytest.raises(StorageBusy), waiter.write():
        pass
    holder.dispose()
    waiter.dispose()


def test_a_statement_that_the_database_refuses_is_a_storage_error(database: Database) -> None:
    with pytest.raises(StorageError), database.write() as connection:
        connection.exec_driver_sql("SELECT * FROM no_such_table")


def test_a_read_sees_one_moment(database: Database) -> None:
    rows.open_source(database, "target", "a", 0.0)
    with database.read() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM source").scalar()
        rows.open_source(database, "target", "b", 0.0)
        assert connection.exec_driver_sql("SELECT count(*) FROM source").scalar() == before == 1
