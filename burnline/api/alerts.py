"""Alerts: where each stands, and what has happened to them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import select

from burnline import views
from burnline.api.context import Context
from burnline.api.fields import From, Name, To, moment
from burnline.views import time_text
from core.durations import DAY
from core.measures import group_from_key
from storage import slo as store
from storage.alerts import AlertEvent
from storage.database import Database
from storage.tables import alert_event


class Alert(BaseModel):
    """One alert by (slo, group, severity)."""

    slo: str
    group: dict[str, str]
    severity: str
    state: str
    since: str | None
    starts_at: str | None
    calm_ticks: int


class Event(BaseModel):
    """One transition of one alert."""

    id: int
    at: str
    slo: str
    group: dict[str, str]
    severity: str
    transition: str
    starts_at: str
    labels: dict[str, str]
    annotations: dict[str, str]
    evidence: dict[str, Any]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

    @routes.get("", response_model=list[Alert])
    def alerts(state: Annotated[str | None, Query(pattern="^(ok|pending|firing)$")] = None) -> list[dict[str, Any]]:
        """Alerts by (slo, group, severity)."""
        return [views.alert(row) for row in store.alert_rows(context.database) if state in (None, row.state)]

    @routes.get("/events")
    def alert_events(
        start: From = None,
        end: To = None,
        slo: Annotated[Name | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[Event]:
        """What happened to alerts, newest first: the last day, or from `from` to before `to`."""
        now = context.clock.now()
        found = events(context.database, moment(start, now - DAY), moment(end, now + DAY), slo, limit)
        return [_event(one) for one in found]

    return routes


def events(db: Database, start: float, end: float, slo: str | None, limit: int) -> list[AlertEvent]:
    """Alert events in [start, end), newest first."""
    query = select(alert_event).where(alert_event.c.at >= start, alert_event.c.at < end)
    query = query if slo is None else query.where(alert_event.c.slo == slo)
    with db.read() as connection:
        rows = connection.execute(query.order_by(alert_event.c.at.desc(), alert_event.c.id.desc()).limit(limit))
        return [AlertEvent(**row._asdict()) for row in rows]


def _event(found: AlertEvent) -> Event:
    return Event(
        id=found.id,
        at=str(time_text(found.at)),
        slo=found.slo,
        group=dict(group_from_key(found.group_key)),
        severity=found.severity,
        transition=found.transition,
        starts_at=str(time_text(found.starts_at)),
        labels=dict(found.labels),
        annotations=dict(found.annotations),
        evidence=dict(found.evidence),
    )
