"""The outbox: notifications that are decided but perhaps not delivered. A row is the promise to deliver it.

    pending ──claim──▶ sending ──▶ delivered
       ▲                 │  └────▶ failed (refused, or too old)
       └─ retry, release ┘         a lapsed claim counts as pending

Rows of one (receiver, key) go out in the order of their ids: the next is not claimed while an earlier one is open.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, select, update

from storage.database import Database
from storage.tables import outbox

PENDING, SENDING, DELIVERED, FAILED = "pending", "sending", "delivered", "failed"
OPEN = (PENDING, SENDING)


@dataclass(frozen=True)
class Claimed:
    """A row that is ours to send until its claim lapses. `attempts` counts this one too."""

    id: int
    receiver: str
    key: str
    dedup_key: str
    message_id: str
    body: dict[str, Any]
    created_at: float
    attempts: int


@dataclass(frozen=True)
class Health:
    """How the outbox of one receiver moves; `oldest_open` is when its longest waiting row was decided."""

    receiver: str
    depth: int
    failed: int
    oldest_open: float | None
    last_error: str | None


def put(connection: Connection, receiver: str, key: str, *, dedup_key: str, body: Mapping[str, Any], now: float) -> int:
    """Promise a notification, in the transaction that decided it; returns the row's id."""
    values: dict[str, Any] = {"receiver": receiver, "key": key, "dedup_key": dedup_key, "message_id": uuid.uuid4().hex}
    values |= {"body": dict(body), "created_at": now, "state": PENDING, "attempts": 0, "next_attempt_at": now}
    key_row = connection.execute(outbox.insert().values(values)).inserted_primary_key
    return int(key_row[0]) if key_row is not None else 0


def claim(db: Database, receiver: str, limit: int, now: float, lease: float) -> list[Claimed]:
    """Take up to `limit` due rows of a receiver, at most one a key, for `lease` seconds."""
    with db.read() as connection:
        if connection.execute(_due(receiver, now).limit(1)).first() is None:
            return []
    with db.write() as connection:
        rows = connection.execute(_due(receiver, now).limit(limit)).all()
        return [
            Claimed(**row._asdict() | {"attempts": row.attempts + 1})
            for row in rows
            if _took(connection, row, now + lease)
        ]


def _due(receiver: str, now: float) -> Select[Any]:
    earlier = outbox.alias("earlier")
    blocked = exists().where(
        earlier.c.receiver == outbox.c.receiver,
        earlier.c.key == outbox.c.key,
        earlier.c.state.in_(OPEN),
        earlier.c.id < outbox.c.id,
    )
    columns = [outbox.c[name] for name in Claimed.__dataclass_fields__]
    due = select(*columns).where(outbox.c.receiver == receiver, outbox.c.state.in_(OPEN))
    return due.where(outbox.c.next_attempt_at <= now, ~blocked).order_by(outbox.c.next_attempt_at, outbox.c.id)


def _took(connection: Connection, row: Any, lapses_at: float) -> bool:
    # Compare-and-set on the attempts: of two alerters, one gets the row.
    mine = update(outbox).where(outbox.c.id == row.id, outbox.c.attempts == row.attempts, outbox.c.state.in_(OPEN))
    values = {"state": SENDING, "attempts": row.attempts + 1, "next_attempt_at": lapses_at}
    return connection.execute(mine.values(values)).rowcount == 1


def delivered(db: Database, row: Claimed, now: float) -> None:
    """The receiver has taken it."""
    _settle(db, row, state=DELIVERED, delivered_at=now, error=None)


def retry(db: Database, row: Claimed, at: float, error: str) -> None:
    """Try again at `at` (Unix seconds)."""
    _settle(db, row, state=PENDING, next_attempt_at=at, error=error)


def release(db: Database, row: Claimed, now: float) -> None:
    """Give a claim back that was not carried out to its end; the attempt may or may not have arrived."""
    _settle(db, row, state=PENDING, next_attempt_at=now)


def fail(db: Database, row: Claimed, error: str) -> None:
    """Give up: the receiver will never take it."""
    _settle(db, row, state=FAILED, error=error)


def _settle(db: Database, row: Claimed, **values: Any) -> None:
    # The number of attempts is the claim's token: who was overtaken after a lapse changes nothing.
    mine = update(outbox).where(outbox.c.id == row.id, outbox.c.state == SENDING, outbox.c.attempts == row.attempts)
    with db.write() as connection:
        connection.execute(mine.values(**values))


def fail_orphans(connection: Connection, receivers: Collection[str]) -> int:
    """Give up open rows of receivers that are no longer configured; returns how many."""
    gone = update(outbox).where(outbox.c.state.in_(OPEN), outbox.c.receiver.not_in(receivers))
    return connection.execute(gone.values(state=FAILED, error="the receiver is no longer configured")).rowcount


def health(db: Database) -> list[Health]:
    """One entry for each receiver that has rows which are open or failed."""
    is_open = outbox.c.state.in_(OPEN)
    columns = (
        outbox.c.receiver,
        func.count().filter(is_open).label("depth"),
        func.count().filter(outbox.c.state == FAILED).label("failed"),
        func.min(outbox.c.created_at).filter(is_open).label("oldest_open"),
    )
    query = select(*columns).where(outbox.c.state != DELIVERED).group_by(outbox.c.receiver).order_by(outbox.c.receiver)
    with db.read() as connection:
        rows = connection.execute(query).all()
        return [Health(**row._asdict(), last_error=_last_error(connection, row.receiver)) for row in rows]


def _last_error(connection: Connection, receiver: str) -> str | None:
    query = select(outbox.c.error).where(outbox.c.receiver == receiver, outbox.c.error.is_not(None))
    return connection.execute(query.order_by(outbox.c.id.desc()).limit(1)).scalar()


def oldest_open(db: Database) -> float | None:
    """When the longest waiting undelivered notification was decided (Unix seconds); None if all are delivered."""
    with db.read() as connection:
        query = select(func.min(outbox.c.created_at)).where(outbox.c.state.in_(OPEN))
        return connection.execute(query).scalar()


def prune(connection: Connection, before: float) -> int:
    """Delete rows that were settled and decided before this time; returns how many."""
    old = delete(outbox).where(outbox.c.state.in_((DELIVERED, FAILED)), outbox.c.created_at < before)
    return connection.execute(old).rowcount
