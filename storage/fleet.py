"""Target health, collector shards and the watermark."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from storage.database import Database, insert_on_conflict, upsert
from storage.shards import Member, member_of, set_of, watermark_of
from storage.tables import audit, collector_shard, target_health

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
    which it is not known yet. A member of a set answers for the targets that are its own, whoever had them before."""
    stored = connection.execute(
        select(target_health.c.url, target_health.c.shard, target_health.c.job).where(
            target_health.c.left_at.is_(None), target_health.c.job.not_in(unknown_jobs)
        )
    )
    gone = {url for url, had, job in stored if _answers_for(shard, url, had, job)}.difference(known)
    for url in gone:
        connection.execute(update(target_health).where(target_health.c.url == url).values(left_at=now, shard=shard))


def _answers_for(shard: str, url: str, had: str, job: str) -> bool:
    own = member_of(shard)
    if own is None or job == OWN_JOB:
        return had == shard
    return member_of(had) is not None and own.owns(url)


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
    """Everything before it is in the ledger; None before the first flush."""
    rows = connection.execute(select(collector_shard.c.shard, collector_shard.c.flushed_through))
    return watermark_of({name: float(through) for name, through in rows})


def announce(connection: Connection, own: Member, now: float) -> None:
    """A member of a set says which others there must be: the watermark does not pass by one that has never run."""
    known = watermark(connection)
    through = now if known is None else min(known, now)
    values = [
        {"shard": one.name, "flushed_through": through, "started_at": now, "heartbeat_at": now, "detail": {}}
        for one in set_of(own.of)
    ]
    connection.execute(insert_on_conflict(connection, collector_shard).on_conflict_do_nothing(), values)


class ShardState(NamedTuple):
    """How far one shard is; times are Unix seconds. `discovery`: what is wrong with sources of targets, by job."""

    name: str
    flushed_through: float
    heartbeat_at: float
    targets: int
    discovery: Mapping[str, Mapping[str, str]]


def shards(connection: Connection) -> list[ShardState]:
    """All shards that the watermark knows, by name."""
    rows = connection.execute(select(collector_shard).order_by(collector_shard.c.shard))
    return [
        ShardState(
            r.shard, r.flushed_through, r.heartbeat_at, r.detail.get("targets", 0), r.detail.get("discovery", {})
        )
        for r in rows
    ]


def retire(connection: Connection, names: Collection[str], now: float, by: str) -> None:
    """Shards that will not come back: the watermark waits for them no more, and targets that nobody has taken over have
    left. `by` is who says so, for the audit."""
    connection.execute(
        update(target_health)
        .where(target_health.c.shard.in_(names), target_health.c.left_at.is_(None))
        .values(left_at=now)
    )
    connection.execute(delete(collector_shard).where(collector_shard.c.shard.in_(names)))
    told = {"at": now, "actor": by, "action": "shard.retire", "subject": ",".join(sorted(names)), "detail": {}}
    connection.execute(insert(audit).values(told))


def pulse(connection: Connection) -> float | None:
    """Up to when every shard has done what it promised: a shard that says to be late by `lag` seconds is not blind for
    it, and one that says `answered_through` is since then. None before the first flush."""
    rows = connection.execute(
        select(collector_shard.c.shard, collector_shard.c.flushed_through, collector_shard.c.detail)
    )
    return watermark_of(
        {name: detail.get("answered_through", at) + detail.get("lag", 0.0) for name, at, detail in rows}
    )


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
        leave_missing(connection, shard, (), (), now)
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
