"""Precision, recall, delay and false alerts of one rule over simulated months.

A significant event is an incident whose failed requests are at least a share of its month's budget: 2 % for a page,
10 % for a ticket. An alert is a stretch of evaluations at which the rule fires; right if it overlaps such an event.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.alerting.rules import Bools
from bench.alerting.traffic import WARM, Incidents, Simulated

SIGNIFICANT = {"page": 0.02, "ticket": 0.10}
TELLING = 3
"""Failed requests without which an incident cannot be told from a few unlucky ones."""


class Events(NamedTuple):
    """Significant events, and whether each has `TELLING` failed requests."""

    incidents: Incidents
    telling: Bools


class Score(NamedTuple):
    """Counts over `months`; `delays` are minutes, of the events that were found."""

    months: int
    alerts: int
    right: int
    events: int
    found: int
    telling: int
    telling_found: int
    delays: npt.NDArray[np.int64]

    def plus(self, other: Score) -> Score:
        """Both together."""
        counts = (a + b for a, b in zip(self[:-1], other[:-1], strict=True))
        return Score(*counts, np.concatenate([self.delays, other.delays]))

    @property
    def precision(self) -> float | None:
        """Alerts that overlap a significant event ÷ alerts."""
        return self.right / self.alerts if self.alerts else None

    @property
    def recall(self) -> float | None:
        """Significant events with an alert ÷ such events."""
        return self.found / self.events if self.events else None

    @property
    def telling_recall(self) -> float | None:
        """The same, of events with `TELLING` failed requests or more."""
        return self.telling_found / self.telling if self.telling else None

    @property
    def false_a_month(self) -> float:
        """Alerts that overlap none, per month."""
        return (self.alerts - self.right) / self.months

    def delay(self, percent: float) -> float | None:
        """Minutes from an event's beginning to its alert."""
        return float(np.percentile(self.delays, percent)) if len(self.delays) else None


def significant(simulated: Simulated, objective: Fraction, severity: str) -> Events:
    """The incidents that an alert of a severity is for."""
    months, incidents = simulated
    sums = np.concatenate([np.zeros((len(months.bad), 1), np.int64), np.cumsum(months.bad, axis=1)], axis=1)
    failed = sums[incidents.month, incidents.end] - sums[incidents.month, incidents.start]
    budget = float(1 - objective) * months.total[:, WARM:].sum(axis=1)[incidents.month]
    chosen = (failed >= SIGNIFICANT[severity] * budget) & (failed > 0)
    return Events(Incidents(*(part[chosen] for part in incidents)), failed[chosen] >= TELLING)


def score(firing: Bools, events: Events) -> Score:
    """How the alerts of one rule do; those that begin before the month are not counted."""
    incidents = events.incidents
    true = np.zeros(firing.shape, bool)
    for month, start, end in zip(*incidents, strict=True):
        true[month, start : end + 1] = True
    month, begin, end = _alerts(firing)
    counted = begin >= WARM
    right = _any(true, month[counted], begin[counted], end[counted])
    delays, found = _delays(firing, incidents)
    return Score(
        len(firing),
        int(counted.sum()),
        int(right.sum()),
        len(found),
        int(found.sum()),
        int(events.telling.sum()),
        int((found & events.telling).sum()),
        delays[found],
    )


def _alerts(firing: Bools) -> tuple[npt.NDArray[np.int64], ...]:
    """Month and minutes [begin, end) of each stretch."""
    edges = np.diff(np.pad(firing, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    month, begin = np.nonzero(edges == 1)
    return month, begin, np.nonzero(edges == -1)[1]


def _any(true: Bools, month: npt.NDArray[np.int64], begin: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> Bools:
    sums = np.concatenate([np.zeros((len(true), 1), np.int32), np.cumsum(true, axis=1, dtype=np.int32)], axis=1)
    found: Bools = sums[month, end] > sums[month, begin]
    return found


def _delays(firing: Bools, incidents: Incidents) -> tuple[npt.NDArray[np.int64], Bools]:
    """Minutes to the first evaluation that fires, by event, and whether there is one up to the event's end."""
    delays, found = np.zeros(len(incidents.month), np.int64), np.zeros(len(incidents.month), bool)
    for at, (month, start, end) in enumerate(zip(*incidents, strict=True)):
        during = firing[month, start : end + 1]
        found[at], delays[at] = during.any(), int(during.argmax()) + 1
    return delays, found
