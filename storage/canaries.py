"""Canaries and their verdicts: written by the engine at every tick, read by controllers and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from storage.database import Database, upsert
from storage.tables import canary


@dataclass(frozen=True)
class Canary:
    """A version beside its baseline. `state`: pass, fail, inconclusive or no_data; `region` None: wherever both serve.

    `verdict` is the row of `GET /api/v1/canaries/{id}/verdict`. `failed_at` latches. Times are Unix seconds.
    """

    id: str
    model: str
    region: str | None
    version: str
    baseline: str
    started_at: float
    ended_at: float | None
    deployment_id: int | None
    failed_at: float | None
    state: str
    watermark: float
    verdict: dict[str, Any]


def put(connection: Connection, found: Sequence[Canary]) -> None:
    """Store or replace canaries in the caller's transaction."""
    if found:
        upsert(connection, canary, [asdict(one) for one in found], ("id",))


def since(db: Database, start: float, *, active_only: bool = False) -> list[Canary]:
    """Canaries that began at or after a time, newest first."""
    query = select(canary).where(canary.c.started_at >= start).order_by(canary.c.started_at.desc(), canary.c.id)
    with db.read() as connection:
        rows = connection.execute(query.where(canary.c.ended_at.is_(None)) if active_only else query)
        return [Canary(**row._asdict()) for row in rows]


def get(db: Database, canary_id: str) -> Canary | None:
    """The canary of this id, if there is one."""
    with db.read() as connection:
        row = connection.execute(select(canary).where(canary.c.id == canary_id)).one_or_none()
        return None if row is None else Canary(**row._asdict())
