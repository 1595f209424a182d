"""The audit: every change by people and programs, newest first."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from burnline.api.context import Context
from burnline.api.fields import Name
from burnline.views import time_text
from storage.tables import audit

_LARGEST_ID = 2**31 - 1


class Entry(BaseModel):
    """One change. `actor`: the token's name, or the name that somebody gave where there are no tokens."""

    id: int
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


class Page(BaseModel):
    """Entries, and where the next page begins."""

    entries: list[Entry]
    before: int | None = Field(description="ask with this `before` for the next page; null: there is none")


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/audit", tags=["audit"])

    @routes.get("")
    def list_audit(
        before: Annotated[int | None, Query(ge=1, le=_LARGEST_ID)] = None,
        actor: Annotated[Name | None, Query()] = None,
        action: Annotated[Name | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Page:
        """Changes, newest first; `before`: with smaller ids only."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
        for column, wanted in ((audit.c.actor, actor), (audit.c.action, action)):
            query = query if wanted is None else query.where(column == wanted)
        with context.database.read() as connection:
            rows = connection.execute(query if before is None else query.where(audit.c.id < before)).all()
        found = [Entry(**(row._asdict() | {"at": time_text(row.at)})) for row in rows[:limit]]
        return Page(entries=found, before=found[-1].id if len(rows) > limit else None)

    return routes
