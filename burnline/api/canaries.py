"""Canaries and their verdicts."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from burnline.api.context import Context
from burnline.api.fields import From, NameInPath, Row, moment
from burnline.views import time_text
from core.durations import DAY
from storage import canaries
from storage.canaries import Canary as Stored

State = Literal["pass", "fail", "inconclusive", "no_data"]
_NONE: dict[int | str, dict[str, Any]] = {404: {"description": "no such canary"}}


class Canary(BaseModel):
    """A version beside its baseline; region null: wherever both serve."""

    id: str
    model: str
    region: str | None
    version: str
    baseline: str
    state: State
    started_at: str
    ended_at: str | None
    failed_at: str | None = Field(description="when the test first said fail: it does not take that back")
    evaluated_at: str | None
    deployment: int | None


class Verdict(Row):
    """What the engine says of a canary; what is not known is null, and `reason` says why."""

    state: State = "no_data"
    reason: str | None = None
    e_value: float | None = Field(None, description="evidence against the canary; it fails at 1 ÷ alpha")
    delta: float | None = Field(None, description="share of bad requests of the canary less the baseline's")
    interval: list[float | None] | None = Field(None, description="of delta, valid at every look")
    ratio: float | None = Field(None, description="share of bad requests of the canary ÷ the baseline's")
    ratio_interval: list[float | None] | None = None
    requests: dict[str, int | None] | None = None
    bad: dict[str, int | None] | None = None
    criteria: list[dict[str, Any]] = Field(default_factory=list)
    suspects: list[dict[str, Any]] = Field(default_factory=list)
    needs: dict[str, Any] | None = Field(None, description="how much more traffic a verdict needs")


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/canaries", tags=["canaries"])

    @routes.get("")
    def list_canaries(start: From = None, active: bool = False) -> list[Canary]:
        """Canaries that began in the last 30 days, or from `from` on, newest first; `active`: not ended only."""
        since = moment(start, context.clock.now() - 30 * DAY)
        return [_canary(one) for one in canaries.since(context.database, since, active_only=active)]

    @routes.get("/{canary_id}", responses=_NONE)
    def canary(canary_id: NameInPath) -> Canary:
        """One canary."""
        return _canary(_required(context, canary_id))

    @routes.get("/{canary_id}/verdict", response_model=Verdict, responses=_NONE)
    def canary_verdict(canary_id: NameInPath) -> dict[str, Any]:
        """The verdict as of the engine's last look."""
        found = _required(context, canary_id)
        return {"id": found.id, "state": found.state, **found.verdict}

    return routes


def _required(context: Context, canary_id: str) -> Stored:
    found = canaries.get(context.database, canary_id)
    if found is None:
        raise HTTPException(404, f"there is no canary {canary_id!r}")
    return found


def _canary(found: Stored) -> Canary:
    return Canary(
        id=found.id,
        model=found.model,
        region=found.region,
        version=found.version,
        baseline=found.baseline,
        state=found.state,  # type: ignore[arg-type]  # pydantic checks it
        started_at=str(time_text(found.started_at)),
        ended_at=time_text(found.ended_at),
        failed_at=time_text(found.failed_at),
        evaluated_at=time_text(found.watermark),
        deployment=found.deployment_id,
    )
