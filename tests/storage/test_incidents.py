from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from core.errors import ConfigError
from storage import incidents
from storage.database import Database, sqlite_url
from storage.incidents import Incident
from storage.tables import audit, metadata


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    metadata.create_all(database.engine)
    yield database
    database.dispose()


def opened(db: Database, key: str = "{}:{}", at: float = 0.0) -> Incident:
    values = {"title": "t", "severity": "page", "labels": {}, "evidence": {}, "alerts": [], "opened_at": at}
    with db.write() as connection:
        return incidents.insert(connection, group_key=key, slo="chat", **values)


def test_incidents_are_listed_newest_first_and_open_ones_alone(db: Database) -> None:
    first, second = opened(db), opened(db, "{}:b")
    with db.write() as connection:
        incidents.change(connection, first.id, open=False, outcome=incidents.RESOLVED)
        assert incidents.open_one(connection, "{}:{}") is None
        assert incidents.open_one(connection, "{}:b") == second
        assert [one.id for one in incidents.recent(connection, ["chat"], -1.0, 5)] == [first.id]
    assert [one.id for one in incidents.list_incidents(db)] == [second.id, first.id]
    assert [one.id for one in incidents.list_incidents(db, open_only=True)] == [second.id]


def test_acknowledging_says_who_and_why_waits_to_be_passed_on_and_is_audited(db: Database) -> None:
    found = incidents.acknowledge(db, opened(db).id, "ann", "on it", 7.0)
    assert (found.acknowledged_by, found.acknowledged_at, found.comment) == ("ann", 7.0, "on it")
    assert found.ack_pending and incidents.get(db, found.id) == found
    with db.read() as connection:
        entry = connection.execute(select(audit)).one()
    assert (entry.actor, entry.action, entry.subject) == ("ann", "incident.acknowledge", str(found.id))


def test_what_cannot_be_acknowledged_says_why(db: Database) -> None:
    closed = opened(db)
    with db.write() as connection:
        incidents.change(connection, closed.id, open=False, outcome=incidents.RESOLVED)
    for incident_id, by, text in (
        (closed.id, "ann", "resolved"),
        (99, "ann", "no incident 99"),
        (closed.id, " ", "name"),
    ):
        with pytest.raises(ConfigError, match=text):
            incidents.acknowledge(db, incident_id, by, "", 0.0)
