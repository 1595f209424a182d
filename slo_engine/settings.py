"""The engine's settings; read once at the start, frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.settings import Duration


class AbsenceSettings(BaseModel):
    """Pages for what is not there: they are on from the first day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fleet_down_for: Duration = Field(
        default=60.0, gt=0, description="under half of a group's targets up for this long pages"
    )
    engine_stuck_for: Duration = Field(
        default=60.0, gt=0, description="work waits and nothing finishes for this long: pages"
    )
    traffic_window: Duration = Field(default=300.0, gt=0, description="traffic that vanished for this long pages")
    collector_blind_after: Duration = Field(default=60.0, gt=0, description="a watermark older than this pages")


class CanarySettings(BaseModel):
    """Verdicts on a new version beside the one before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="at most this share of equally good versions ever fails, over all looks"
    )
    margin: float = Field(default=1.0, ge=1, le=10, description="so many times as bad as the baseline is accepted")
    pass_ratio: float = Field(
        default=1.5, gt=1, description="passes when it is surely less than so many times as bad as the baseline"
    )
    allowed_delta: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="… or when its bad share is surely higher by less than this; empty: 1 - the SLO's objective",
    )
    min_requests: int = Field(default=100, ge=1, description="requests of the canary before it can pass")
    max_duration: Duration = Field(
        default=86_400.0, gt=0, le=160_000, description="a canary ends after this; at most what minutes are kept for"
    )
    severity: Literal["page", "ticket", "off"] = Field(
        default="ticket", description="of the alert of a failed canary; burning budgets page by themselves"
    )

    @model_validator(mode="after")
    def _pass_beyond_margin(self) -> Self:
        if self.pass_ratio <= self.margin:
            raise ValueError("pass_ratio must be above margin: what is accepted could not pass")
        return self


class EngineSettings(BaseModel):
    """The SLO engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tick_interval: Duration = Field(default=15.0, gt=0, description="time between two evaluations")
    lease_ttl: Duration = Field(default=10.0, gt=0, description="a leader that is silent for this long is replaced")
    slos: tuple[Path, ...] = Field(default=(), description="SLO files and folders, re-read on change")
    slo_source: Literal["files", "applied"] = Field(
        default="files",
        description="files: the SLOs of engine.slos; applied: the set that `burnline slo apply` put in force last",
    )
    lenient: bool = Field(
        default=False, description="read SLO files as OpenSLO's text allows, where its own SDK is stricter"
    )
    packs: tuple[str, ...] = Field(default=("llm-serving",), description="packs of SLOs that Burnline brings")
    runbook_url: str = Field(
        default="",
        description="base URL of runbooks, as <base>/<alert name>.md; empty links to those that the API serves",
    )
    absence: AbsenceSettings = Field(default=AbsenceSettings(), description="pages for what is not there")
    canary: CanarySettings = Field(default=CanarySettings(), description="verdicts on new versions")
