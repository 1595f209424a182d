"""Alert events: the engine appends them, the alerter reads them behind its cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from storage.database import insert_on_conflict
from storage.tables import alert_cursor, alert_event

_CURSOR_ID = 1


@dataclass(frozen=True)
class AlertEvent:
    """One transition of one alert; `id` is 0 until it is stored. Times are Unix seconds."""

    at: float
    slo: str
    group_key: str
    severity: str
    transition: str
    starts_at: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    evidence: Mapping[str, Any]
    id: int = 0


def append(connection: Connection, event: AlertEvent) -> int:
    """Store an event in the caller's transaction (the one that changes the alert's state); returns its id."""
    values = {name: getattr(event, name) for name in AlertEvent.__dataclass_fields__ if name != "id"}
    for name in ("labels", "annotations", "evidence"):
        values[name] = dict(values[name])
    key = connection.execute(alert_event.insert().values(values)).inserted_primary_key
    return int(key[0]) if key is not None else 0


def after(connection: Connection, event_id: int, limit: int) -> list[AlertEvent]:
    """The next events behind `event_id`, oldest first."""
    query = select(alert_event).where(alert_event.c.id > event_id).order_by(alert_event.c.id).limit(limit)
    return [AlertEvent(**row._asdict()) for row in connection.execute(query)]


def lock_cursor(connection: Connection, now: float) -> int:
    """The id of the last consumed event. Holds the cursor's row until the transaction ends: one alerter at a time."""
    first = {"id": _CURSOR_ID, "event_id": 0, "updated_at": now}
    connection.execute(insert_on_conflict(connection, alert_cursor).values(first).on_conflict_do_nothing())
    query = select(alert_cursor.c.event_id).where(alert_cursor.c.id == _CURSOR_ID).with_for_update()
    return int(connection.execute(query).scalar_one())


def move_cursor(connection: Connection, event_id: int, now: float) -> None:
    """Everything up to `event_id` is consumed."""
    values = {"event_id": event_id, "updated_at": now}
    connection.execute(update(alert_cursor).where(alert_cursor.c.id == _CURSOR_ID).values(values))
