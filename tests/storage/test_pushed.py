"""Requests that wait for their pages: kept in order, forgotten by number, each shard's own."""

from __future__ import annotations

from storage import pushed
from storage.database import Database


def test_requests_wait_in_the_order_in_which_they_came(database: Database) -> None:
    with database.write() as connection:
        later = pushed.put(connection, "0/push", [b"c"], 20.0)
        first = pushed.put(connection, "0/push", [b"a\x00", b"b"], 10.0)
        pushed.put(connection, "1/push", [b"d"], 5.0)
    found = pushed.waiting(database, "0/push")
    assert [(one.id, one.received_at, one.body) for one in found] == [
        (first[0], 10.0, b"a\x00"),
        (first[1], 10.0, b"b"),
        (later[0], 20.0, b"c"),
    ]


def test_what_is_counted_is_forgotten_and_nothing_else(database: Database) -> None:
    with database.write() as connection:
        ids = pushed.put(connection, "0/push", [bytes([n]) for n in range(7)], 1.0)
        pushed.forget(connection, ids[:5])
        pushed.forget(connection, ())
    assert [one.id for one in pushed.waiting(database, "0/push")] == ids[5:]
