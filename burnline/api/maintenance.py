"""Maintenance: announce, list, end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from burnline import views
from burnline.api.auth import CallerOf
from burnline.api.context import Context
from burnline.api.fields import Name, NameInPath, Note, Sent
from burnline.maintaining import announced
from core.matchers import parse_matchers
from storage import maintenance


class NewMaintenance(Sent):
    """Time that SLOs with `burnline/exclude: maintenance` do not count."""

    matchers: Annotated[Note, Field(min_length=1, examples=['slo=~"chat-.*", region="eu"'])]
    reason: Annotated[Note, Field(min_length=1, examples=["driver upgrades"])]
    begins: Annotated[
        str | None,
        Field(max_length=40, examples=["2026-12-01T22:00"], description="by the zone's clocks; null: now"),
    ] = None
    duration: Annotated[Note, Field(max_length=32, examples=["2h"])] = "1h"
    zone: Annotated[str, Field(max_length=64, examples=["Europe/Warsaw"])] = "UTC"
    rule: Annotated[
        str | None, Field(max_length=300, examples=["FREQ=WEEKLY;BYDAY=TU"], description="RRULE of RFC 5545")
    ] = None
    created_by: Name


class Maintenance(BaseModel):
    """Groups of SLOs that fit every matcher do not count what happens in it, if they say so."""

    id: str
    matchers: list[str]
    begins: str = Field(description="the first time, by the clocks of `zone`")
    zone: str
    duration: str
    rule: str | None
    reason: str
    created_by: str
    created_at: str
    ended_at: str | None
    next_begins_at: str | None = Field(description="of the one that holds, or else comes next")
    next_ends_at: str | None
    state: Literal["active", "pending", "over"]


class Made(BaseModel):
    """What was made."""

    id: str


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/maintenance", tags=["maintenance"])
    database = context.database

    @routes.get("", response_model=list[Maintenance])
    def list_maintenance(over: bool = False) -> list[dict[str, Any]]:
        """Maintenance that holds or will come; `over` adds what is over."""
        now = context.clock.now()
        found = maintenance.list_maintenance(database, now, include_over=over)
        return [views.maintenance(one, now) for one in found]

    @routes.post("", status_code=201)
    def add_maintenance(new: Annotated[NewMaintenance, Body()], caller: CallerOf) -> Made:
        """Announce maintenance; it may begin 48 hours back."""
        now = context.clock.now()
        when = announced(new.begins, new.duration, new.zone, new.rule, now)
        matchers, who = parse_matchers(new.matchers), new.created_by
        return Made(id=maintenance.add(database, matchers, when, new.reason, who, now, actor=caller.actor))

    @routes.delete("/{maintenance_id}", status_code=204)
    def end_maintenance(maintenance_id: NameInPath, by: Annotated[Name, Query()], caller: CallerOf) -> None:
        """End maintenance now, and all that would come again."""
        maintenance.end(database, maintenance_id, by, context.clock.now(), actor=caller.actor)

    return routes
