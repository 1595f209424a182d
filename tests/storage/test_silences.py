from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from core.errors import ConfigError
from core.matchers import parse_matchers
from storage import silences
from storage.database import Database, sqlite_url
from storage.tables import audit, metadata


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    metadata.create_all(database.engine)
    yield database
    database.dispose()


def actions(db: Database) -> list[tuple[str, str]]:
    with db.read() as connection:
        return [(row.actor, row.action) for row in connection.execute(select(audit).order_by(audit.c.id))]


def test_a_silence_holds_from_its_start_to_before_its_end(db: Database) -> None:
    silences.add(db, parse_matchers('slo="chat",region=~"eu-.*"'), 10.0, 20.0, "ann", "known", 0.0)
    found = silences.list_silences(db, 0.0)[0]
    assert [found.is_active(at) for at in (9.9, 10.0, 19.9, 20.0)] == [False, True, True, False]
    assert found.matches({"slo": "chat", "region": "eu-1"})
    assert not found.matches({"slo": "chat", "region": "us-1"})
    with db.read() as connection:
        assert [len(silences.active(connection, at)) for at in (9.9, 10.0, 20.0)] == [0, 1, 0]


def test_expiring_ends_it_and_both_are_audited(db: Database) -> None:
    silence_id = silences.add(db, parse_matchers('slo="chat"'), 0.0, 100.0, "ann", "known", 0.0)
    silences.expire(db, silence_id, "bob", 50.0)
    assert silences.list_silences(db, 50.0) == []
    assert silences.list_silences(db, 50.0, include_expired=True)[0].ends_at == 50.0
    assert actions(db) == [("ann", "silence.add"), ("bob", "silence.expire")]
    with pytest.raises(ConfigError, match="over already"):
        silences.expire(db, silence_id, "bob", 51.0)
    with pytest.raises(ConfigError, match="no silence"):
        silences.expire(db, "other", "bob", 51.0)


@pytest.mark.parametrize(
    ("starts_at", "ends_at"), [(0.0, None), (10.0, 5.0), (10.0, 10.0), (0.0, 1.0), (0, float("inf"))]
)
def test_a_silence_without_a_sound_end_is_refused(db: Database, starts_at: float, ends_at: float | None) -> None:
    with pytest.raises(ConfigError, match="end"):
        silences.add(db, parse_matchers('slo="chat"'), starts_at, ends_at, "ann", "", 2.0)
    assert silences.list_silences(db, 0.0, include_expired=True) == []


@pytest.mark.parametrize(
    "text", ["", 'slo=""', 'slo!="x"', "slo=~'.*'", 'slo=~".+"', 'slo=~".+",model!="m"', 'slo!~"x|y"']
)
def test_matchers_that_hide_everything_are_refused(db: Database, text: str) -> None:
    with pytest.raises(ConfigError):
        silences.add(db, parse_matchers(text), 0.0, 10.0, "ann", "", 0.0)


@pytest.mark.parametrize("text", ['slo="chat"', 'slo=~"chat|rag"', 'slo="chat",region!="eu"', 'slo=~"chat.*"'])
def test_matchers_that_name_something_are_taken(db: Database, text: str) -> None:
    assert silences.add(db, parse_matchers(text), 0.0, 10.0, "ann", "", 0.0)
