"""Incidents: what is open, what was, and who takes one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel

from burnline import views
from burnline.api.auth import CallerOf
from burnline.api.context import Context
from burnline.api.fields import Name, Note, Sent
from storage import incidents
from storage.incidents import Incident as Stored

_LARGEST_ID = 2**31 - 1
_NONE: dict[int | str, dict[str, Any]] = {404: {"description": "no such incident"}}


class Acknowledgement(Sent):
    """Who takes an incident."""

    by: Name
    comment: Note = ""


class Incident(BaseModel):
    """One disturbance from its first firing alert to the resolution of its last."""

    id: int
    group_key: str
    slo: str
    title: str
    severity: str
    labels: dict[str, str]
    evidence: dict[str, Any]
    alerts: list[dict[str, Any]]
    opened_at: str
    notified_at: str | None
    resolved_at: str | None
    outcome: str | None
    acknowledged_at: str | None
    acknowledged_by: str | None
    comment: str | None
    ack_pending: bool
    open: bool


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])
    database = context.database

    @routes.get("", response_model=list[Incident])
    def list_incidents(open_only: bool = True) -> list[dict[str, Any]]:
        """Incidents, newest first."""
        return [views.incident(one) for one in incidents.list_incidents(database, open_only=open_only)]

    @routes.get("/{incident_id}", response_model=Incident, responses=_NONE)
    def incident(incident_id: int) -> dict[str, Any]:
        """One incident with its alerts and evidence."""
        return views.incident(_required(context, incident_id))

    @routes.post("/{incident_id}/acknowledge", response_model=Incident, responses=_NONE)
    def acknowledge(incident_id: int, ack: Annotated[Acknowledgement, Body()], caller: CallerOf) -> dict[str, Any]:
        """Take an incident: repeats stop until something new happens."""
        _required(context, incident_id)
        now = context.clock.now()
        return views.incident(
            incidents.acknowledge(database, incident_id, ack.by, ack.comment, now, actor=caller.actor)
        )

    return routes


def _required(context: Context, incident_id: int) -> Stored:
    found = incidents.get(context.database, incident_id) if 0 < incident_id <= _LARGEST_ID else None
    if found is None:
        raise HTTPException(404, f"there is no incident {incident_id}")
    return found
