"""SLOs: which are in force, how they stand, and how their objectives have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import select

from burnline.api.context import Context
from burnline.api.fields import NameInPath, Row
from burnline.slo_sets.history import history
from burnline.views import time_text
from core.durations import render
from core.errors import ConfigError
from storage import slo as store
from storage.database import Database
from storage.slo import StoredRevision
from storage.tables import slo_revision

State = Literal["ok", "pending", "firing", "no_data"]
_WORST: tuple[State, ...] = ("firing", "pending", "ok", "no_data")


class SloStatus(Row):
    """One SLO and group, as `burnline slo status --json` prints it. What is not known is null."""

    slo: str
    group: dict[str, str]
    objective: float | None = Field(None, description="the target as a share; null for a price and a composite")
    window: str | None = Field(None, description="the period, as 30d")
    good: int | float | None = None
    total: int | float | None = None
    sli: float | None = Field(None, description="good ÷ total; for a price, what one scale of units cost")
    budget_remaining: float | None = Field(None, description="share of the budget; below 0 when overspent")
    burn_rates: dict[str, float | None] = Field(
        default_factory=dict, description="by window; 1 spends the budget exactly in the period"
    )
    coverage: float | None = Field(None, description="share of the target-time that was seen")
    exact: bool | None = Field(
        None, description="whether events were counted one by one; false where `reason` says why not"
    )
    state: State = "no_data"
    since: str | None = None
    reason: str | None = None
    override: str | None = Field(None, description="the matchers that gave this group a target of its own")
    period: dict[str, Any] | None = Field(None, description="with a calendar: the running period, and estimates of it")
    excluded_total: int | float | None = Field(None, description="what `burnline/exclude` left out, in units of total")
    excluded_minutes: int | None = Field(None, description="minutes of the window that were left out")
    slices: dict[str, int] | None = Field(None, description="with time slices: how many had which verdict")
    components: list[dict[str, Any]] | None = Field(
        None, description="of a composite: `slo`, `weight`, `burn_rates` and `budget_remaining` of each component"
    )
    depends_on: list[dict[str, str | None]] | None = Field(
        None, description="with `burnline/depends-on`: `slo` and `state` of each SLO that it needs"
    )
    reset_at: str | None = Field(None, description="since when its budget counts anew, where somebody reset it")
    reset_reason: str | None = None
    exhausted_at: dict[str, str | None] = Field(
        default_factory=dict,
        description="by window: when the budget is gone at that window's pace; null: not in sight, or not known",
    )
    budget_policy: dict[str, float] | None = Field(
        None,
        description="with `burnline/budget-policy`: by consequence, the share of the budget below which it follows",
    )


class Slo(BaseModel):
    """One SLO in force, over all of its groups."""

    name: str
    objective: float | None = Field(description="the target as a share; null for a price")
    window: str | None
    description: str | None
    by: list[str] = Field(description="the labels that its groups are made of")
    groups: int
    state: State = Field(description="the worst of its groups")
    since: str | None = Field(description="when its present revision began; null: nothing was counted for it yet")
    sli: dict[str, Any] | None = Field(description="what is counted; null where it is not known")
    reason: str | None = Field(description="why it has no group: not measured yet, or what cannot be measured")


class Override(BaseModel):
    """The target of the groups that fit every matcher."""

    where: str
    objective: float


class Revision(BaseModel):
    """An objective and window that were in force from `since` on."""

    slo: str
    since: str
    window: str
    objective: float | None = Field(description="the target as a share; null for a price in force")
    budget: float = Field(description="bad events that are allowed of all; for a price, the ratio that is allowed")
    overrides: list[Override] = Field(description="other targets; the first that fits a group is its own")
    digest: str = Field(description="equal where objective, window and indicator are equal")


class FieldChange(BaseModel):
    """A field of an SLO that a set changed."""

    field: str
    before: Any
    after: Any


class HistoryEntry(BaseModel):
    """What happened to an SLO. What its kind does not have is null."""

    kind: Literal["apply", "files", "removed", "revision", "reset"]
    at: str
    by: str
    reason: str | None
    group: dict[str, str] | None = Field(description="of a reset; null: every group")
    fields: list[FieldChange]
    objective: str | None = Field(description="as an exact fraction")
    window: str | None
    digest: str | None
    set: int | None = Field(description="the number of the set of files")
    text: str | None = Field(description="of the file that it stands in")


class History(BaseModel):
    """As `burnline slo history --json` prints it."""

    version: int
    slo: str
    entries: list[HistoryEntry]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/slos", tags=["slos"])
    database = context.database

    @routes.get("/status", response_model=list[SloStatus])
    def slo_status() -> list[dict[str, Any]]:
        """Every SLO and group: the rows of `burnline slo status --json`."""
        return store.status(database)

    @routes.get("")
    def list_slos() -> list[Slo]:
        """The SLOs in force, by name."""
        return in_force(store.status(database), store.revisions(database), _specs(database))

    @routes.get("/{name}/revisions", responses={404: {"description": "no SLO of that name"}})
    def slo_revisions(name: NameInPath) -> list[Revision]:
        """How an SLO's objective and window have changed, oldest first; kept when it is no longer in force."""
        objectives = {row["slo"]: row.get("objective") for row in store.status(database)}
        found = [one for one in store.revisions(database) if one.slo == name]
        if not found and name not in objectives:
            raise HTTPException(404, f"there is no SLO {name!r}")
        priced = name in objectives and objectives[name] is None
        return [_revision(one, priced=priced) for one in found]

    @routes.get("/{name}/history", responses={404: {"description": "nothing is known of an SLO of that name"}})
    def slo_history(name: NameInPath) -> History:
        """Sets that changed an SLO, revisions that began, and resets of its budget, oldest first."""
        try:
            return History.model_validate(history(database, name))
        except ConfigError as error:
            raise HTTPException(404, str(error)) from None

    return routes


def in_force(
    status: Sequence[Mapping[str, Any]], revisions: Sequence[StoredRevision], specs: Mapping[str, Mapping[str, Any]]
) -> list[Slo]:
    """The SLOs that the engine's last status speaks of; `specs`: what the newest revision of each says of itself."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in status:
        by_name.setdefault(row["slo"], []).append(row)
    newest = {one.slo: one.since for one in revisions}
    return [_slo(name, rows, newest.get(name), specs.get(name, {})) for name, rows in sorted(by_name.items())]


def _slo(name: str, rows: Sequence[Mapping[str, Any]], since: float | None, spec: Mapping[str, Any]) -> Slo:
    counted = [row for row in rows if row.get("total") is not None or row.get("group")]
    states = {row.get("state") for row in rows}
    sli = spec.get("sli")
    return Slo(
        name=name,
        objective=next((row for row in rows if not row.get("override")), rows[0]).get("objective"),
        window=rows[0].get("window"),
        description=spec.get("description"),
        by=sorted(sli["by"] if sli else {label for row in rows for label in row.get("group", {})}),
        groups=len(counted),
        state=next((state for state in _WORST if state in states), "no_data"),
        since=time_text(since),
        sli=sli,
        reason=None if counted else rows[0].get("reason"),
    )


def _specs(db: Database) -> dict[str, Mapping[str, Any]]:
    query = select(slo_revision.c.slo, slo_revision.c.spec).order_by(slo_revision.c.since, slo_revision.c.id)
    with db.read() as connection:
        return {row.slo: row.spec for row in connection.execute(query)}


def _revision(found: StoredRevision, *, priced: bool) -> Revision:
    objective = Fraction(found.objective)
    return Revision(
        slo=found.slo,
        since=str(time_text(found.since)),
        window=render(found.window_seconds),
        objective=None if priced else float(objective),
        budget=float(1 - objective),
        overrides=[Override(where=where, objective=float(Fraction(goal))) for where, goal in found.overrides],
        digest=found.digest,
    )
