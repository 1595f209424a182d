"""The evaluator's settings; read once at the start, frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluatorSettings(BaseModel):
    """How drawn answers are scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="whether `burnline up` runs the evaluator")
