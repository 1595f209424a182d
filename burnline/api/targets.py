"""Targets: what is scraped, and how it does."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from burnline import views
from burnline.api.context import Context
from storage import fleet


class Target(BaseModel):
    """How one target does; what never happened is null."""

    url: str
    shard: str
    job: str
    labels: dict[str, str]
    interval: float
    watched_since: str
    groups: list[dict[str, str]]
    signals: list[str]
    engine: str | None
    layer: str | None
    up: bool | None
    last_scrape_at: str | None
    last_success_at: str | None
    progress_at: str | None
    scrape_seconds: float | None
    samples: int | None
    error_reason: str | None
    error: str | None
    conditions: list[str]
    left_at: str | None


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/targets", tags=["targets"])

    @routes.get("", response_model=list[Target])
    def list_targets() -> list[dict[str, Any]]:
        """Targets in discovery and how they do."""
        return [views.target(one) for one in fleet.targets(context.database)]

    return routes
