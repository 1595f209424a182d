"""The engine's settings; read once at the start, frozen."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

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


class EngineSettings(BaseModel):
    """The SLO engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tick_interval: Duration = Field(default=15.0, gt=0, description="time between two evaluations")
    lease_ttl: Duration = Field(default=10.0, gt=0, description="a leader that is silent for this long is replaced")
    slos: tuple[Path, ...] = Field(default=(), description="OpenSLO files and folders, re-read on change")
    packs: tuple[str, ...] = Field(default=("llm-serving",), description="packs of SLOs that Burnline brings")
    runbook_url: str = Field(
        default="",
        description="base URL of runbooks, as <base>/<alert name>.md; empty links to those that the API serves",
    )
    absence: AbsenceSettings = Field(default=AbsenceSettings(), description="pages for what is not there")
