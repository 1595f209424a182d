"""A database with a row of every kind, on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import ManualClock
from storage import migrate
from storage.database import Database, sqlite_url
from tests.storage.conftest import postgresql_url  # noqa: F401 - a fixture

NOW = 1_790_000_000.0
"""2026-09-21T14:13:20Z."""


@pytest.fixture
def clock() -> ManualClock:
    """Stands still at NOW until it is moved."""
    return ManualClock(NOW)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database at the newest schema."""
    found = Database(sqlite_url(tmp_path / "b.db"))
    migrate.upgrade(found)
    yield found
    found.dispose()
