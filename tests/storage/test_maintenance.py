"""Maintenance windows: what can be announced, when they hold, and who ended them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from core.errors import ConfigError
from core.matchers import parse_matchers
from core.recurrence import Recurrence
from storage import maintenance
from storage.database import Database, sqlite_url
from storage.tables import audit, metadata

NOW = 1_767_571_200.0
SLO = parse_matchers("slo=chat")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    metadata.create_all(database.engine)
    yield database
    database.dispose()


def when(hours: float = 0.0, duration: float = 3600.0, rule: str | None = None, zone: str = "UTC") -> Recurrence:
    """So many hours from now."""
    begin = datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None) + timedelta(hours=hours)
    return Recurrence(begin, zone, duration, rule)


def test_what_was_announced_is_read_back_as_it_was_with_who_and_why(db: Database) -> None:
    key = maintenance.add(db, SLO, when(5, rule="FREQ=DAILY"), " upgrade ", "ann", NOW, actor="token ops")
    (found,) = maintenance.list_maintenance(db, NOW)
    assert found == maintenance.Maintenance(key, SLO, when(5, rule="FREQ=DAILY"), "upgrade", "ann", NOW)
    assert found.between(NOW, NOW + 2 * 86_400)[1][0] == NOW + 29 * 3600
    with db.read() as connection:
        (row,) = connection.execute(select(audit))
    assert (row.actor, row.action, row.subject, row.detail["reason"]) == (
        "token ops",
        "maintenance.add",
        key,
        "upgrade",
    )


def test_ending_cuts_the_one_that_holds_and_all_that_would_come(db: Database) -> None:
    key = maintenance.add(db, SLO, when(rule="FREQ=DAILY"), "upgrade", "ann", NOW)
    maintenance.end(db, key, "bob", NOW + 86_400 + 600)
    assert maintenance.list_maintenance(db, NOW + 86_400 + 600) == []
    (found,) = maintenance.list_maintenance(db, NOW + 86_400 + 600, include_over=True)
    assert found.between(NOW, NOW + 10 * 86_400) == [(NOW, NOW + 3600), (NOW + 86_400, NOW + 86_400 + 600)]
    with pytest.raises(ConfigError, match="is over already"):
        maintenance.end(db, key, "bob", NOW + 2 * 86_400)
    with pytest.raises(ConfigError, match="list them to see their ids"):
        maintenance.end(db, "other", "bob", NOW)


def test_what_ended_within_two_days_is_still_known_to_the_engine(db: Database) -> None:
    key = maintenance.add(db, SLO, when(), "upgrade", "ann", NOW)
    maintenance.end(db, key, "bob", NOW + 60)
    assert maintenance.since(db, NOW)
    assert not maintenance.since(db, NOW + 61)


@pytest.mark.parametrize(
    ("wanted", "reason", "says"),
    [
        (when(-49), "x", "48 hours back"),
        (when(9000), "x", "within a year"),
        (when(duration=59), "x", "from a minute to 31 days"),
        (when(duration=1e9), "x", "from a minute to 31 days"),
        (when(rule="FREQ=SECONDLY"), "x", "needs FREQ"),
        (when(zone="Nowhere"), "x", "is not a time zone"),
        (when(), " ", "needs a reason"),
    ],
)
def test_what_cannot_be_meant_is_refused(db: Database, wanted: Recurrence, reason: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        maintenance.add(db, SLO, wanted, reason, "ann", NOW)
    assert maintenance.list_maintenance(db, NOW, include_over=True) == []


def test_it_needs_matchers(db: Database) -> None:
    with pytest.raises(ConfigError, match="needs matchers"):
        maintenance.add(db, (), when(), "x", "ann", NOW)
