"""Deployments that people and rollout controllers register."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, Field

from burnline import views
from burnline.api.auth import CallerOf
from burnline.api.context import Context
from burnline.api.fields import From, Name, Note, Sent, TimeText, moment
from burnline.deploying import registered
from core.durations import DAY
from storage import deployments


class NewDeployment(Sent):
    """A version that begins to serve, or changes its share of the traffic."""

    version: Name
    model: Name | None = None
    region: Name | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    at: TimeText | None = Field(None, description="RFC 3339 or Unix seconds, at most 1 h ahead and 30 d ago; now")
    note: Note = ""


class Deployment(BaseModel):
    """A registered deployment; null is: not told."""

    id: int
    at: str
    model: str | None
    version: str
    region: str | None
    share: float | None
    note: str
    created_by: str
    created_at: str


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/deployments", tags=["deployments"])
    database = context.database

    @routes.get("", response_model=list[Deployment])
    def list_deployments(start: From = None, limit: Annotated[int, Query(ge=1, le=1000)] = 500) -> list[dict[str, Any]]:
        """Deployments of the last 30 days, or from `from` on, oldest first."""
        since = moment(start, context.clock.now() - 30 * DAY)
        return [views.deployment(one) for one in deployments.since(database, since, limit)]

    again: dict[int | str, dict[str, Any]] = {
        200: {"model": Deployment, "description": "the same was registered before: the first, nothing is added"}
    }

    @routes.post("", status_code=201, response_model=Deployment, responses=again)
    def add_deployment(new: Annotated[NewDeployment, Body()], caller: CallerOf, response: Response) -> dict[str, Any]:
        """Register a deployment. The same version, model, region, share and `at` twice is one."""
        now = context.clock.now()
        wanted = registered(new.version, new.model, new.region, new.share, new.at, new.note, caller.name, now)
        found, fresh = deployments.add_once(database, wanted)
        response.status_code = 201 if fresh else 200
        return views.deployment(found)

    return routes
