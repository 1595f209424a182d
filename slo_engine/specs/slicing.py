"""Budgets in time slices: `budgetingMethod: Timeslices` and `RatioTimeslices`."""

from __future__ import annotations

from core.durations import DAY, MINUTE, parse_openslo
from core.signals import SIGNALS
from slo_engine.specs.indicators import exact
from slo_engine.specs.model import Counted, EventRatio, SignalMetric, SumRatio, TimeSlices
from slo_engine.specs.node import Node

LONGEST = DAY
"""Slices are judged from minutes, which are kept for two days."""


def is_sliced(spec: Node) -> bool:
    """Whether an SLO keeps its budget in time slices."""
    return spec.text("budgetingMethod") in ("Timeslices", "RatioTimeslices")


def unsupported_slices(spec: Node, objective: Node, counted: Counted | None, window: int) -> str | None:
    """Why the slices of a valid objective cannot be judged."""
    seconds = _seconds(objective)
    if not MINUTE <= seconds <= LONGEST:
        return "a timeSliceWindow is served from 1m to 1d"
    if seconds >= window:
        return "timeSliceWindow must be shorter than the window of the SLO"
    if isinstance(counted, SumRatio) and spec.text("budgetingMethod") == "RatioTimeslices":
        return "a price has no share of good events: write budgetingMethod Timeslices or Occurrences"
    if counted and is_sampled(counted):
        return "samples have an interval and no verdict a slice: write budgetingMethod Occurrences"
    return None


def in_slices(counted: Counted, spec: Node, objective: Node, owner: str) -> TimeSlices:
    """What is counted, in slices; `owner` as in the model."""
    target = objective.get("timeSliceTarget")
    if spec.text("budgetingMethod") == "RatioTimeslices" or target is None:
        return TimeSlices(counted, _seconds(objective), None, owner)
    if isinstance(counted, SumRatio) and target.value != 1:
        target.report("must be 1 with per: a slice is good when it cost no more than value")
    return TimeSlices(counted, _seconds(objective), exact(target.value), owner)


def _seconds(objective: Node) -> int:
    return parse_openslo(objective.text("timeSliceWindow"))


def is_sampled(counted: Counted) -> bool:
    """Whether it is a share of what detectors judged."""
    total = counted.total if isinstance(counted, EventRatio) else None
    return isinstance(total, SignalMetric) and SIGNALS[total.signal].sampled
