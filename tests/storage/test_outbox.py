from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import outbox
from storage.database import Database, sqlite_url
from storage.tables import metadata


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    metadata.create_all(database.engine)
    yield database
    database.dispose()


def put(db: Database, receiver: str, key: str, now: float = 0.0) -> int:
    with db.write() as connection:
        return outbox.put(connection, receiver, key, dedup_key=key, body={"n": 1}, now=now)


def test_a_claim_takes_one_row_a_key_and_not_what_another_has(db: Database) -> None:
    first, _, other = put(db, "a", "x"), put(db, "a", "x"), put(db, "a", "y")
    put(db, "b", "x")
    assert [row.id for row in outbox.claim(db, "a", 10, 0.0, 30.0)] == [first, other]
    assert outbox.claim(db, "a", 10, 29.0, 30.0) == []


def test_a_lapsed_claim_is_claimed_again_with_the_same_message(db: Database) -> None:
    put(db, "a", "x")
    first = outbox.claim(db, "a", 1, 0.0, 30.0)[0]
    second = outbox.claim(db, "a", 1, 30.0, 30.0)[0]
    assert (second.message_id, second.attempts) == (first.message_id, 2)


def test_the_next_of_a_key_follows_only_after_the_one_before_is_settled(db: Database) -> None:
    first, second = put(db, "a", "x"), put(db, "a", "x")
    row = outbox.claim(db, "a", 1, 0.0, 30.0)[0]
    outbox.retry(db, row, at=60.0, error="down")
    assert outbox.claim(db, "a", 1, 59.0, 30.0) == []
    row = outbox.claim(db, "a", 1, 60.0, 30.0)[0]
    assert row.id == first
    outbox.fail(db, row, "refused")
    assert outbox.claim(db, "a", 1, 60.0, 30.0)[0].id == second


def test_health_shows_depth_age_failures_and_the_last_error(db: Database) -> None:
    put(db, "a", "x", now=5.0)
    put(db, "a", "y", now=9.0)
    put(db, "b", "z", now=1.0)
    outbox.fail(db, outbox.claim(db, "a", 1, 10.0, 30.0)[0], "refused")
    outbox.delivered(db, outbox.claim(db, "b", 1, 10.0, 30.0)[0], 11.0)
    assert outbox.health(db) == [outbox.Health("a", depth=1, failed=1, oldest_open=9.0, last_error="refused")]
    assert outbox.oldest_open(db) == 9.0


def test_rows_of_a_receiver_that_is_gone_fail_and_old_settled_ones_are_pruned(db: Database) -> None:
    put(db, "gone", "x", now=0.0)
    put(db, "here", "x", now=0.0)
    with db.write() as connection:
        assert outbox.fail_orphans(connection, ["here"]) == 1
        assert outbox.prune(connection, before=100.0) == 1
    assert [row.receiver for row in outbox.claim(db, "here", 1, 0.0, 30.0)] == ["here"]


def test_what_is_rolled_back_was_never_promised(db: Database) -> None:
    with pytest.raises(RuntimeError), db.write() as connection:
        outbox.put(connection, "a", "x", dedup_key="x", body={}, now=0.0)
        raise RuntimeError
    assert outbox.claim(db, "a", 1, 0.0, 30.0) == []
