"""Sets of SLO files that were put in force, and resets of budgets: both only ever grow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, insert, select

from core.errors import ConfigError
from storage.database import Database
from storage.tables import audit, slo_applied, slo_reset

Origin = Literal["apply", "files"]


class SpecFile(NamedTuple):
    """A file of a set: the name under which errors tell of it, and its text."""

    name: str
    text: str


@dataclass(frozen=True)
class AppliedSet:
    """A whole set of files from `at` on (Unix seconds). `slos`: by name, what each says of itself in plain data."""

    id: int
    at: float
    actor: str
    origin: Origin
    reason: str
    digest: str
    files: tuple[SpecFile, ...]
    slos: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class StoredReset:
    """From `at` on the budget of an SLO counts anew; `group_key` None is every group."""

    id: int
    slo: str
    group_key: str | None
    at: float
    actor: str
    reason: str
    created_at: float


def digest_of(files: Sequence[SpecFile]) -> str:
    """Equal where names and texts are equal."""
    return hashlib.sha256(json.dumps([list(one) for one in files]).encode()).hexdigest()[:16]


def put(
    connection: Connection,
    files: Sequence[SpecFile],
    slos: Mapping[str, Mapping[str, Any]],
    origin: Origin,
    actor: str,
    reason: str,
    now: float,
) -> int:
    """Store a set in the caller's transaction; returns its number."""
    values = {"at": now, "actor": actor, "origin": origin, "reason": reason, "digest": digest_of(files)}
    stored = {name: dict(slo) for name, slo in slos.items()}
    row = insert(slo_applied).values(**values, files=[list(one) for one in files], slos=stored)
    key = connection.execute(row).inserted_primary_key
    assert key is not None
    return int(key[0])


def apply(
    database: Database,
    files: Sequence[SpecFile],
    slos: Mapping[str, Mapping[str, Any]],
    actor: str,
    reason: str,
    now: float,
    changes: Mapping[str, Any],
    before: int | None,
) -> int:
    """Store a set that somebody applied and its audit row, both or neither; returns its number.

    `before`: the set that the change was planned against; ConfigError where another was applied meanwhile.
    """
    with database.write() as connection:
        if not database.is_sqlite:  # SQLite has one writer at a time
            connection.exec_driver_sql("LOCK TABLE slo_applied IN SHARE ROW EXCLUSIVE MODE")
        if _newest_id(connection, "apply") != before:
            raise ConfigError("another set was applied meanwhile: look at the plan again, nothing was changed")
        number = put(connection, files, slos, "apply", actor, reason, now)
        detail = {"reason": reason, "digest": digest_of(files), **changes}
        row = {"at": now, "actor": actor, "action": "slo.apply", "subject": str(number), "detail": detail}
        connection.execute(insert(audit).values(**row))
    return number


def newest(database: Database, origin: Origin) -> AppliedSet | None:
    """The set that was put in force last."""
    query = select(slo_applied).where(slo_applied.c.origin == origin).order_by(slo_applied.c.id.desc()).limit(1)
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _applied(row._asdict())


def newest_id(database: Database, origin: Origin) -> int | None:
    """Which set was put in force last."""
    with database.read() as connection:
        return _newest_id(connection, origin)


def every(database: Database) -> list[AppliedSet]:
    """All sets, oldest first."""
    with database.read() as connection:
        return [_applied(row._asdict()) for row in connection.execute(select(slo_applied).order_by(slo_applied.c.id))]


def reset(
    database: Database, slo: str, group_key: str | None, at: float, actor: str, reason: str, now: float
) -> StoredReset:
    """Let a budget count anew from `at` on, with its audit row."""
    values = {"slo": slo, "group_key": group_key, "at": at, "actor": actor, "reason": reason, "created_at": now}
    with database.write() as connection:
        key = connection.execute(insert(slo_reset).values(**values)).inserted_primary_key
        assert key is not None
        detail = {"group": None if group_key is None else json.loads(group_key), "from": at, "reason": reason}
        row = {"at": now, "actor": actor, "action": "slo.reset", "subject": slo, "detail": detail}
        connection.execute(insert(audit).values(**row))
    return StoredReset(int(key[0]), slo, group_key, at, actor, reason, now)


def resets(database: Database, slo: str | None = None) -> list[StoredReset]:
    """Every reset, or those of one SLO, oldest first."""
    query = select(slo_reset).order_by(slo_reset.c.at, slo_reset.c.id)
    with database.read() as connection:
        rows = connection.execute(query if slo is None else query.where(slo_reset.c.slo == slo))
        return [StoredReset(**row._asdict()) for row in rows]


def _newest_id(connection: Connection, origin: Origin) -> int | None:
    query = select(slo_applied.c.id).where(slo_applied.c.origin == origin).order_by(slo_applied.c.id.desc()).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def _applied(values: dict[str, Any]) -> AppliedSet:
    files = tuple(SpecFile(*one) for one in values.pop("files"))
    return AppliedSet(files=files, **values)
