"""Target health, collector shards and the watermark."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from storage.database import Database, upsert
from storage.tables import collector_shard, target_health

OWN_JOB = "burnline"
"""The job under which Burnline's own parts are scraped: they are no part of the fleet."""


@dataclass
class TargetHealth:
    """How one target does; times are Unix seconds, None is never."""

    url: str
    shard: str
    job: str
    labels: Mapping[str, str]
    interval: float
    watched_since: float
    groups: list[Mapping[str, str]] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    engine: str | None = None
    layer: str | None = None
    up: bool | None = None
    last_scrape_at: float | None = None
    last_success_at: float | None = None
    progress_at: float | None = None
    scrape_seconds: float | None = None
    samples: int | None = None
    error_reason: str | None = None
    error: str | None = None
    conditions: list[str] = field(default_factory=list)
    left_at: float | None = None


def put_targets(connection: Connection, targets: Iterable[TargetHealth]) -> None:
    """Write the health of targets as it is now."""
    values = [vars(target).copy() for target in targets]
    if values:
        upsert(connection, target_health, values, ("url",))


def targets(database: Database, *, with_left: bool = False) -> list[TargetHealth]:
    """Every target in discovery, by job and URL; `with_left` adds those that have left it."""
    statement = select(target_health).order_by(target_health.c.job, target_health.c.url)
    if not with_left:
        statement = statement.where(target_health.c.left_at.is_(None))
    with database.read() as connection:
        return [TargetHealth(**row._mapping) for row in connection.execute(statement)]


def leave_missing(
    connection: Connection, shard: str, known: Collection[str], unknown_jobs: Collection[str], now: float
) -> None:
    """Targets that an earlier process of this shard had and discovery has no more have left, but for those of jobs of
    which it is not known yet."""
    stored = connection.execute(
        select(target_health.c.url).where(
            target_health.c.shard == shard,
            target_health.c.left_at.is_(None),
            target_health.c.job.not_in(unknown_jobs),
        )
    ).scalars()
    for url in set(stored).difference(known):
        connection.execute(update(target_health).where(target_health.c.url == url).values(left_at=now))


def forget_targets(connection: Connection, shard: str, before: float) -> None:
    """Drop targets that left discovery before a time."""
    connection.execute(delete(target_health).where(target_health.c.shard == shard, target_health.c.left_at < before))


def put_shard(
    connection: Connection, shard: str, flushed_through: float, started_at: float, now: float, detail: Mapping[str, Any]
) -> None:
    """Say how far a shard's counts are committed; in the transaction that commits them."""
    upsert(
        connection,
        collector_shard,
        [
            {
                "shard": shard,
                "flushed_through": flushed_through,
                "started_at": started_at,
                "heartbeat_at": now,
                "detail": dict(detail),
            }
        ],
        ("shard",),
    )


def watermark(connection: Connection) -> float | None:
    """The least `flushed_through` of the shards: everything before it is in the ledger. None before the first flush."""
    value = connection.execute(select(func.min(collector_shard.c.flushed_through))).scalar()
    return None if value is None else float(value)


def pulse(connection: Connection) -> float | None:
    """Up to when every shard has done what it promised: a shard that says to be late by `lag` seconds is not blind for
    it, and one that says `answered_through` is since then. None before the first flush."""
    rows = connection.execute(select(collector_shard.c.flushed_through, collector_shard.c.detail)).all()
    return min((detail.get("answered_through", at) + detail.get("lag", 0.0) for at, detail in rows), default=None)


def shard_state(connection: Connection, shard: str) -> tuple[float, Mapping[str, Any]] | None:
    """A shard's `flushed_through` and its detail; None where it has said nothing yet."""
    row = connection.execute(select(collector_shard).where(collector_shard.c.shard == shard)).one_or_none()
    return None if row is None else (float(row.flushed_through), row.detail)


def heard_since(connection: Connection, shard: str, since: float) -> bool:
    """Whether a shard has committed since a time."""
    row = connection.execute(select(collector_shard.c.heartbeat_at).where(collector_shard.c.shard == shard)).scalar()
    return row is not None and float(row) >= since


def end_shards(connection: Connection, prefix: str, kept: Collection[str], now: float) -> list[str]:
    """Shards of a prefix that are no more: nobody waits for their counts, and their targets have left; which."""
    found = connection.execute(
        select(collector_shard.c.shard).where(collector_shard.c.shard.startswith(prefix, autoescape=True))
    ).scalars()
    ended = sorted(set(found).difference(kept))
    for shard in ended:
        leave_missing(connection, shard, (), now)
        connection.execute(delete(collector_shard).where(collector_shard.c.shard == shard))
    return ended


def capped(connection: Connection) -> list[str]:
    """Measures that have more groups than their cap, over all shards."""
    details = connection.execute(select(collector_shard.c.detail)).scalars()
    return sorted({name for detail in details for name in detail.get("capped", ())})


def job_watched_since(database: Database, job: str) -> float | None:
    """When the first target of a job was discovered, over all restarts of the collector."""
    with database.read() as connection:
        value = connection.execute(
            select(func.min(target_health.c.watched_since)).where(target_health.c.job == job)
        ).scalar()
    return None if value is None else float(value)
