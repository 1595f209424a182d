"""The database: one engine a process, SQLite by default, PostgreSQL for large fleets.

SQLite: WAL, one writing connection a process, `BEGIN IMMEDIATE`, and no computing or network inside a transaction.
Every error of the driver leaves here as one of core.errors: nobody above catches SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.errors import StorageBusy, StorageError, StorageFull

BUSY_TIMEOUT_MS = 10_000
"""A writer waits this long for another process's transaction; each is a few milliseconds of inserts."""

SCRUB_PATIENCE_MS = 500
"""How long a scrub waits for readers of old snapshots before it leaves the log to the next one."""

_FULL = ("disk is full", "no space left", "disk i/o error", "could not extend file")
_BUSY = ("database is locked", "database table is locked", "deadlock detected", "could not serialize", "lock timeout")


class Database:
    """Knows how to read and how to write in one transaction. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _sqlite(url) if self.is_sqlite else create_engine(url, pool_pre_ping=True, pool_recycle=1800)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; commits on leaving, rolls back on any error."""
        with mapped_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with connection.begin() if not self.is_sqlite else _sqlite_transaction(connection):
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot for reading: what is read inside belongs together."""
        with mapped_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try:
                yield connection
            finally:
                connection.rollback()

    def scrub(self) -> None:
        """Leave nothing of deleted rows on the disk: SQLite's log still holds them until it is written back and cut.

        Best effort: a reader of an old snapshot keeps the log until the next call. PostgreSQL does it by vacuum.
        """
        if self.is_sqlite:
            with mapped_errors(), self.engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={SCRUB_PATIENCE_MS}")  # writers wait meanwhile
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def upsert(connection: Connection, table: Table, values: list[dict[str, Any]], keys: tuple[str, ...]) -> None:
    """Insert rows, or replace those whose keys exist, on SQLite and PostgreSQL."""
    statement = insert_on_conflict(connection, table)
    replaced = {name: statement.excluded[name] for name in values[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=replaced), values)


def insert_on_conflict(connection: Connection, table: Table) -> Any:
    """An insert that knows ON CONFLICT; the two dialects' inserts share no typed base."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as dialect_insert  # noqa: PLC0415 - one of two dialects
    else:
        from sqlalchemy.dialects.postgresql import insert as dialect_insert  # type: ignore[assignment]  # noqa: PLC0415
    return dialect_insert(table)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn the driver's errors into StorageFull, StorageBusy or StorageError."""
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig)
        lower = text.lower()
        if any(phrase in lower for phrase in _FULL):
            raise StorageFull(text) from error
        if any(phrase in lower for phrase in _BUSY):
            raise StorageBusy(text) from error
        raise StorageError(text) from error
    except SQLAlchemyError as error:
        raise StorageError(str(error)) from error


@contextmanager
def _sqlite_transaction(connection: Connection) -> Iterator[None]:
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        connection.connection.rollback()  # where SQLite has rolled back by itself, as on a full disk, this does nothing
        raise


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: pysqlite would begin late and deferred
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",  # readers do not wait for the writer
            "synchronous=FULL",  # an answered commit survives a power cut; the cost is one fsync a flush
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "foreign_keys=ON",
            "secure_delete=ON",  # a text whose time is over leaves zeros, not an old page
            "journal_size_limit=67108864",  # a WAL that a slow reader let grow is cut back to 64 MiB
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
