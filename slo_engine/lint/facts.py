"""What the ledger says of SLOs, as far as rules need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.histogram import Bounds
from core.measures import Group

DEFAULT_CAP = 2000


class Histogram(NamedTuple):
    """Bounds that an SLO's values are counted by (seconds), and how many fell into each cell."""

    bounds: Bounds
    cells: tuple[int, ...]


class Traffic(NamedTuple):
    """Events of a group over so many seconds."""

    group: Group
    events: int
    seconds: float

    def within(self, window: float) -> float:
        """Events of a window of this many seconds, on average."""
        return self.events * window / self.seconds


@dataclass(frozen=True)
class Facts:
    """By name of the SLO. `unknown` says why there are none at all; `cap` is the most groups of a measure."""

    unknown: str = ""
    histograms: Mapping[str, tuple[Histogram, ...]] = field(default_factory=dict)
    traffic: Mapping[str, tuple[Traffic, ...]] = field(default_factory=dict)
    cap: int = DEFAULT_CAP
