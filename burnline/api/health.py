"""Whether Burnline lives and can be relied on, and the API's own metrics."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel

from burnline.api.context import Context
from burnline.readiness import readiness


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class PartReadiness(BaseModel):
    """One part, by what it last wrote."""

    ready: bool
    reason: str | None


class Readiness(BaseModel):
    """Ready when every part is."""

    ready: bool
    state: Literal["ready", "warming", "not ready"]
    parts: dict[str, PartReadiness]


def router(context: Context, registry: CollectorRegistry) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    def healthz() -> Alive:
        """The process answers."""
        return Alive()

    not_ready: dict[str, Any] = {"model": Readiness, "description": "not ready, with the reasons"}

    @routes.get("/readyz", response_model=Readiness, responses={503: not_ready})
    def readyz(response: Response) -> dict[str, Any]:
        """Whether what Burnline says can be relied on now, each part by itself."""
        state = readiness(context.database, context.clock.now())
        response.status_code = 200 if state["ready"] else 503
        return state

    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}

    @routes.get("/metrics", response_class=Response, responses={200: text})
    def metrics() -> Response:
        """The API's own metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
