"""What detectors flag of the answers that were drawn, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from burnline.api.context import Context
from burnline.api.fields import From, Note, To, moment
from core.durations import DAY
from core.errors import ConfigError
from core.statistics.quality import estimate
from storage.quality import QualityCounts, counts

_LONGEST = 31 * DAY


class Quality(BaseModel):
    """One detector's revision in one group. A rate that nobody judged is null, with the reason."""

    detector: str | None = Field(description="null: nothing of this group was judged")
    revision: str | None
    group: dict[str, str]
    rate: float | None = Field(description="share that the detector flags, weighted by stratum")
    low: float | None = Field(description="near edge of its 95 % interval, valid at every look")
    high: float | None
    corrected: bool = Field(description="false: what the detector flags, not what is bad")
    coverage: float | None = Field(description="judged ÷ drawn")
    generated: int
    drawn: int
    judged: int
    flagged: int
    failed: int
    not_applicable: int
    reason: str | None


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/quality", tags=["quality"])

    @routes.get("")
    def quality(
        start: From = None,
        end: To = None,
        by: Annotated[Note, Query(description="labels, by commas")] = "model,version",
    ) -> list[Quality]:
        """What each detector flags, by group: the last day, or from `from` to `to`, at most 31 days."""
        last = moment(end, context.clock.now())
        first = moment(start, last - DAY)
        if not 0 < last - first <= _LONGEST:
            raise ConfigError("`to` must be after `from`, by 31 days at most")
        labels = tuple(name.strip() for name in by.split(",") if name.strip())
        found = counts(context.database, first, last, labels)
        return [_row(list(rows)) for _, rows in groupby(found, key=lambda one: (one.group, one.detector, one.revision))]

    return routes


def _row(strata: Sequence[QualityCounts]) -> Quality:
    """One detector's revision in one group, over its strata."""
    first = strata[0]
    said = asdict(estimate([one.sample() for one in strata]))
    sums = {
        name: sum(getattr(one, name) for one in strata)
        for name in ("generated", "drawn", "flagged", "failed", "not_applicable")
    }
    who = {"detector": first.detector or None, "revision": first.revision or None, "group": dict(first.group)}
    return Quality.model_validate({**said, **sums, **who})
