"""Whether error budgets allow a change now: what `burnline gate` answers, for controllers without the database."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from burnline import gate
from burnline.api.context import Context
from burnline.api.fields import Name
from burnline.gate import Verdict


class GroupVerdict(BaseModel):
    """One group of one SLO; what is not known is null."""

    slo: str
    group: dict[str, str]
    verdict: Verdict
    reason: str
    state: str
    objective: float | None = Field(description="the target as a share; null for a price")
    sli: float | None
    total: int | float | None
    budget_remaining: float | None = Field(description="share of the budget; below 0 when overspent")
    freeze_below: float = Field(description="at or below this share of the budget the group fails")
    exhausted_at: dict[str, str | None] = Field(
        description="by window: when the budget is gone at that window's pace; null: not in sight, or not known"
    )
    coverage: float | None


class GateVerdict(BaseModel):
    """The worst of its groups: fail, then not_enough_data, then pass."""

    verdict: Verdict
    watermark: str | None = Field(description="up to when the numbers speak")
    groups: list[GroupVerdict]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/gate", tags=["gate"])

    @routes.get("", response_model=GateVerdict)
    def may_change(
        slo: Annotated[list[Name], Query(min_length=1, max_length=100, description="SLOs by name; may be repeated")],
        group: Annotated[
            list[Name], Query(max_length=20, description="only groups with this label, as model=llama; may be repeated")
        ] = [],  # noqa: B006 - FastAPI reads it as the default and never changes it
        max_age: Annotated[float, Query(gt=0, le=86_400, description="seconds that the numbers may be old")] = 300.0,
    ) -> dict[str, Any]:
        """Whether the error budgets of these SLOs allow a change now. Answers 200 whatever the verdict is."""
        labels = gate.labels_of(group)
        return gate.as_json(gate.ask(context.database, slo, labels, context.clock.now(), max_age))

    return routes
