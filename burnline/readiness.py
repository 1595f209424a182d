"""Whether what Burnline says can be relied on now: each part by what it last wrote, never by its own word."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from core.errors import StorageError
from storage import fleet, migrate, outbox
from storage import slo as store
from storage.database import Database
from storage.tables import evaluation

FRESH = 60.0
_STUCK_DELIVERY = 300.0


def readiness(database: Database, now: float) -> dict[str, Any]:
    """`{ready, state, parts: {name: {ready, reason}}}`; state is ready, warming or not ready."""
    try:
        migrate.require_current(database)
        parts = {
            "collector": _collector(database, now),
            "engine": _engine(database, now),
            "alerter": _alerter(database, now),
        }
    except StorageError as error:
        parts = {"database": {"ready": False, "reason": str(error)}}
    ready = all(part["ready"] for part in parts.values())
    warming = not ready and all(part["ready"] or str(part["reason"]).startswith("warming") for part in parts.values())
    return {"ready": ready, "state": "ready" if ready else "warming" if warming else "not ready", "parts": parts}


def _part(reason: str | None) -> dict[str, Any]:
    return {"ready": reason is None, "reason": reason}


def _collector(database: Database, now: float) -> dict[str, Any]:
    with database.read() as connection:
        pulse = fleet.pulse(connection)
    if pulse is None:
        return _part("warming: no counts were committed yet")
    age = now - pulse
    return _part(None if age <= FRESH else f"blind: the newest committed counts are {age:.0f} s old")


def _engine(database: Database, now: float) -> dict[str, Any]:
    with database.read() as connection:
        at = connection.execute(select(func.max(evaluation.c.at))).scalar()
    if at is None:
        return _part("warming: no minute was evaluated yet")
    age = now - float(at)
    silent = store.status_watermark(database) is None
    if silent or age > FRESH * 3:
        return _part(f"the last evaluation was {age:.0f} s ago")
    return _part(None)


def _alerter(database: Database, now: float) -> dict[str, Any]:
    oldest = outbox.oldest_open(database)
    if oldest is not None and now - oldest > _STUCK_DELIVERY:
        return _part(f"a notification waits for delivery since {now - oldest:.0f} s")
    return _part(None)
