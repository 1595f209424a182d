"""Requests that senders pushed and that were answered, kept until the pages that they are parts of are counted."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from storage.database import Database
from storage.tables import pushed

_CHUNK = 500


class Waiting(NamedTuple):
    """One request: its number, when it came (Unix seconds), and its body as it was sent."""

    id: int
    received_at: float
    body: bytes


def put(connection: Connection, shard: str, bodies: Collection[bytes], now: float) -> list[int]:
    """Keep requests; their numbers, in the same order."""
    statement = insert(pushed).returning(pushed.c.id)
    values = [{"shard": shard, "received_at": now, "body": body} for body in bodies]
    return [int(connection.execute(statement.values(value)).scalar_one()) for value in values]


def waiting(database: Database, shard: str) -> list[Waiting]:
    """What an earlier process had answered and not counted yet, in the order in which it came."""
    chosen = select(pushed.c.id, pushed.c.received_at, pushed.c.body).where(pushed.c.shard == shard)
    with database.read() as connection:
        return [Waiting(*row) for row in connection.execute(chosen.order_by(pushed.c.received_at, pushed.c.id))]


def forget(connection: Connection, ids: Collection[int]) -> None:
    """These requests are counted."""
    numbers = sorted(ids)
    for at in range(0, len(numbers), _CHUNK):
        connection.execute(delete(pushed).where(pushed.c.id.in_(numbers[at : at + _CHUNK])))
