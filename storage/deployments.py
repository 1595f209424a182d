"""Deployments as people and rollout controllers register them: which version got which share, where and when."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, insert, select

from storage.database import Database
from storage.tables import audit, deployment


@dataclass(frozen=True)
class Deployment:
    """One registered change of traffic. `share` is the version's, 0 to 1; None: not told. Times are Unix seconds."""

    id: int
    at: float
    model: str | None
    version: str
    region: str | None
    share: float | None
    note: str
    created_by: str
    created_at: float


_SAME = ("at", "model", "version", "region", "share")


def add(db: Database, new: Deployment) -> Deployment:
    """Store a deployment (its `id` is ignored) with its audit row; returns it with its id."""
    return add_once(db, new)[0]


def add_once(db: Database, new: Deployment) -> tuple[Deployment, bool]:
    """Store a deployment and its audit row, unless one of the same version, place, share and time is there.

    Returns (the stored one, whether it is new): a controller that sends twice deploys once.
    """
    values = {name: getattr(new, name) for name in Deployment.__dataclass_fields__ if name != "id"}
    same = and_(*(deployment.c[name].is_not_distinct_from(values[name]) for name in _SAME))
    with db.write() as connection:
        there = connection.execute(select(deployment).where(same).order_by(deployment.c.id).limit(1)).one_or_none()
        if there is not None:
            return Deployment(**there._asdict()), False
        key = connection.execute(insert(deployment).values(values)).inserted_primary_key
        assert key is not None
        detail = {name: values[name] for name in ("at", "model", "version", "region", "share", "note")}
        row = {"at": new.created_at, "actor": new.created_by, "action": "deployment.add", "subject": str(key[0])}
        connection.execute(insert(audit).values(**row, detail=detail))
    return Deployment(id=int(key[0]), **values), True


def since(db: Database, start: float, limit: int = 500) -> list[Deployment]:
    """Deployments at or after a time, oldest first."""
    with db.read() as connection:
        return since_in(connection, start, limit)


def since_in(connection: Connection, start: float, limit: int = 500) -> list[Deployment]:
    """`since` in a transaction of the caller's."""
    query = select(deployment).where(deployment.c.at >= start).order_by(deployment.c.at, deployment.c.id).limit(limit)
    return [Deployment(**row._asdict()) for row in connection.execute(query)]
