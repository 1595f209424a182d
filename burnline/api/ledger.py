"""The ledger's counts, by time and group."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from burnline.api.context import Context
from burnline.api.counting import Line, answer, question
from burnline.api.fields import From, Name, Note, To, moment
from burnline.views import time_text
from core.durations import HOUR
from core.signals import LAYERS, SIGNALS

Layer = Literal["client", "gateway", "router", "engine", "hardware"]
assert Layer.__args__ == LAYERS  # type: ignore[attr-defined]  # a Literal knows its values
Step = Literal["60", "300", "3600"]


class Counts(BaseModel):
    """One group in one bucket. Cell i of a histogram counts values in (bounds[i-1], bounds[i]], the last all above."""

    group: dict[str, str]
    bucket: str = Field(description="where the bucket begins")
    count: int = Field(description="of a histogram all cells together; of a gauge target-milliseconds")
    bounds: list[float] | None
    cells: list[int] | None


class Ledger(BaseModel):
    """Counts in [from, to), widened to whole buckets. A bucket without any count has no row."""

    signal: str
    kind: Literal["counter", "histogram", "gauge"] | None = Field(description="null: no signal, but a measure")
    unit: str | None = Field(description="of a counter's count, or of a histogram's or gauge's bounds")
    layer: str | None = Field(description="the layer that was counted; null: nothing was ever counted")
    step: int
    from_: str = Field(alias="from")
    to: str
    rows: list[Counts]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/ledger", tags=["ledger"])

    @routes.get("")
    def ledger(
        signal: Annotated[Name, Query(examples=["ttft"])],
        where: Annotated[Note, Query(description="matchers on group and attributes", examples=['version="v2"'])] = "",
        by: Annotated[Note, Query(description="labels, by commas", examples=["model,version"])] = "",
        start: From = None,
        end: To = None,
        step: Annotated[Step, Query(description="seconds")] = "60",
        layer: Annotated[Layer | None, Query(description="the outermost that the fleet has")] = None,
    ) -> Ledger:
        """Counts of a signal by time and group: the last hour, or [`from`, `to`). At most 5,000 rows."""
        now = context.clock.now()
        last = moment(end, now)
        asked = question(signal, where, by, moment(start, last - HOUR), last, int(step), layer, now)
        found = answer(context.database, asked)
        known = SIGNALS.get(asked.signal)
        return Ledger.model_validate(
            {
                "signal": asked.signal,
                "kind": known and known.kind,
                "unit": known and known.unit,
                "layer": found.layer,
                "step": asked.step,
                "from": time_text(asked.start),
                "to": time_text(asked.end),
                "rows": [_row(line) for line in found.lines],
            }
        )

    return routes


def _row(line: Line) -> Counts:
    plain = line.bounds is None
    return Counts(
        group=dict(line.group),
        bucket=str(time_text(line.bucket)),
        count=sum(line.cells),
        bounds=None if line.bounds is None else list(line.bounds),
        cells=None if plain else list(line.cells),
    )
