"""One group of one SLO on its way through time, whatever it is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.measures import Group
from slo_engine.compile import Formula
from slo_engine.conditions import Alert
from slo_engine.windows import BurnPolicy


class Point(NamedTuple):
    """How a group stood at a moment (Unix seconds): budget left, and the burn rate of each window (seconds)."""

    at: int
    budget: float | None
    burns: Mapping[int, float | None]


@dataclass
class Course:
    """Where its alerts stand, and the points that it has passed."""

    formula: Formula
    group: Group
    policy: BurnPolicy
    alerts: dict[str, Alert] = field(default_factory=dict, kw_only=True)
    course: list[Point] = field(default_factory=list, kw_only=True)
