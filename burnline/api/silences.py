"""Silences: add, list, end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from burnline import views
from burnline.api.auth import CallerOf
from burnline.api.context import Context
from burnline.api.fields import Name, NameInPath, Note, Sent
from core.durations import parse_prometheus
from core.matchers import parse_matchers
from storage import silences


class NewSilence(Sent):
    """A silence that begins now."""

    matchers: Annotated[Note, Field(min_length=1, examples=['slo="ttft", version="v2"'])]
    duration: Annotated[Note, Field(max_length=32, examples=["90m"])] = "2h"
    created_by: Name
    comment: Note = ""


class Silence(BaseModel):
    """Alerts that fit every matcher do not notify from `starts_at` to `ends_at`."""

    id: str
    matchers: list[str]
    starts_at: str
    ends_at: str
    created_by: str
    comment: str
    created_at: str
    state: Literal["active", "pending", "expired"]


class Made(BaseModel):
    """What was made."""

    id: str


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/silences", tags=["silences"])
    database = context.database

    @routes.get("", response_model=list[Silence])
    def list_silences(expired: bool = False) -> list[dict[str, Any]]:
        """Silences that hold or will; `expired` adds those that have ended."""
        now = context.clock.now()
        return [views.silence(one, now) for one in silences.list_silences(database, now, include_expired=expired)]

    @routes.post("", status_code=201)
    def add_silence(new: Annotated[NewSilence, Body()], caller: CallerOf) -> Made:
        """Silence alerts that match, from now on."""
        now = context.clock.now()
        ends = now + parse_prometheus(new.duration)
        matchers = parse_matchers(new.matchers)
        who = new.created_by
        return Made(id=silences.add(database, matchers, now, ends, who, new.comment, now, actor=caller.actor))

    @routes.delete("/{silence_id}", status_code=204)
    def expire_silence(silence_id: NameInPath, by: Annotated[Name, Query()], caller: CallerOf) -> None:
        """End a silence now."""
        silences.expire(database, silence_id, by, context.clock.now(), actor=caller.actor)

    return routes
