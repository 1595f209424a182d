"""Drawn generations that wait for their scores: a queue with renewed leases. Their text is encrypted, and short-lived.

The collector puts; evaluators lease, renew and finish. A crashed evaluator's rows come back when their lease ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from core.measures import Group, group_from_key, group_key
from storage.database import Database
from storage.tables import sample


@dataclass(frozen=True)
class Sample:
    """One drawn generation. `text` is ciphertext (None: the span carried no content). Times are Unix seconds."""

    trace_id: str
    span_id: str
    at: float
    drawn_at: float
    expires_at: float
    group: Group
    stratum: str
    probability: float
    text: bytes | None
    attempts: int = 0
    id: int = 0


def put(connection: Connection, found: Sequence[Sample]) -> None:
    """Store samples in the caller's transaction: the one that counts them as drawn."""
    if found:
        connection.execute(insert(sample), [_row(one) for one in found])


def lease(db: Database, holder: str, now: float, ttl: float, limit: int) -> list[Sample]:
    """Take up to `limit` samples that nobody holds and that have not expired, oldest first, until `now + ttl`."""
    free = (sample.c.leased_until <= now) & (sample.c.expires_at > now)
    with db.write() as connection:
        query = select(sample).where(free).order_by(sample.c.id).limit(limit).with_for_update(skip_locked=True)
        found = [_sample(row) for row in connection.execute(query)]
        if found:
            values = {"leased_by": holder, "leased_until": now + ttl, "attempts": sample.c.attempts + 1}
            connection.execute(update(sample).where(sample.c.id.in_([one.id for one in found])).values(values))
    return found


def renew(db: Database, holder: str, ids: Iterable[int], now: float, ttl: float) -> set[int]:
    """Keep samples until `now + ttl`; returns the ids that are still this holder's."""
    mine = sample.c.id.in_(list(ids)) & (sample.c.leased_by == holder)
    with db.write() as connection:
        connection.execute(update(sample).where(mine).values(leased_until=now + ttl))
        return set(connection.execute(select(sample.c.id).where(mine)).scalars())


def finish(connection: Connection, holder: str, ids: Iterable[int]) -> set[int]:
    """Delete samples with their text, in the transaction that writes their verdicts; returns those that were still
    this holder's: only their verdicts may be written."""
    mine = sample.c.id.in_(list(ids)) & (sample.c.leased_by == holder)
    held = set(connection.execute(select(sample.c.id).where(mine).with_for_update()).scalars())
    connection.execute(delete(sample).where(mine))
    return held


def take_expired(db: Database, holder: str, now: float, ttl: float, limit: int) -> list[Sample]:
    """Take samples whose time to live is over, to be written down as failed and finished; their text is removed.

    One that is being scored is left to its holder.
    """
    old = (sample.c.expires_at <= now) & (sample.c.leased_until <= now)
    with db.write() as connection:
        query = select(sample).where(old).order_by(sample.c.id).limit(limit).with_for_update(skip_locked=True)
        found = [_sample(row) for row in connection.execute(query)]
        if found:
            values = {"leased_by": holder, "leased_until": now + ttl, "text": None}
            connection.execute(update(sample).where(sample.c.id.in_([one.id for one in found])).values(values))
    return found


def wipe_expired(connection: Connection, now: float) -> int:
    """Remove the text of samples whose time to live is over, whether or not an evaluator runs; returns how many."""
    old = (sample.c.expires_at <= now) & sample.c.text.is_not(None)
    return connection.execute(update(sample).where(old).values(text=None)).rowcount


def forget(connection: Connection, before: float) -> int:
    """Delete samples that were drawn before, and that no evaluator has ever finished; returns how many."""
    return connection.execute(delete(sample).where(sample.c.drawn_at < before)).rowcount


def waiting(db: Database) -> int:
    """How many samples have no verdict yet."""
    with db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(sample)).scalar_one())


def _row(one: Sample) -> dict[str, Any]:
    names = ("trace_id", "span_id", "at", "drawn_at", "expires_at", "stratum", "probability", "text", "attempts")
    values = {name: getattr(one, name) for name in names}
    return {**values, "group_key": group_key(one.group), "leased_by": None, "leased_until": 0.0}


def _sample(row: Any) -> Sample:
    values = row._asdict()
    for name in ("leased_by", "leased_until"):
        del values[name]
    return Sample(group=group_from_key(values.pop("group_key")), **values)
