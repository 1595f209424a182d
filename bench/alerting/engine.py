"""The engine's own decisions over the minutes of one series."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.alerting.approaches import PERIOD
from core.buckets import TIERS
from core.errors import Place
from slo_engine.book import Account, Strip
from slo_engine.compile import COLUMNS, COVERED, EXPECTED, PART, TOTAL, compile_slo
from slo_engine.conditions import Alert, State, decide
from slo_engine.evaluate import default_revisions, policy_of, read_groups, severities, stand
from slo_engine.specs.model import Alerting, EventRatio, SignalMetric, Slo
from slo_engine.track import Track

Ints = npt.NDArray[np.int64]


class Firing(NamedTuple):
    """An alert at one evaluation."""

    minute: int
    severity: str


def slo_of(objective: Fraction) -> Slo:
    """An SLO over requests, with pages and tickets."""
    requests = SignalMetric("requests")
    return Slo(
        name="requests",
        group="requests",
        service="bench",
        description="",
        indicator=EventRatio(total=requests, bad=requests),
        objective=float(objective),
        objective_exact=objective,
        threshold=None,
        op=None,
        window_seconds=PERIOD,
        by=(),
        alerting=Alerting(page=True, ticket=True),
        annotations={},
        source=Place("bench", 0),
    )


def account_of(bad: Ints, total: Ints, start: int) -> Account:
    """The engine's memory of these minutes, the first of which begins at `start`; every target was always seen."""
    tracks = {tier.width: Track(tier.width) for tier in TIERS}
    for tier in TIERS:
        size, track = tier.width // 60, tracks[tier.width]
        track.grow(COLUMNS)
        for at in range(0, len(total), size):
            row = np.zeros(COLUMNS, np.int64)
            row[PART], row[TOTAL] = bad[at : at + size].sum(), total[at : at + size].sum()
            row[EXPECTED] = row[COVERED] = tier.width * 1000
            track.put(start + at * 60, row)
    return Account({width: Strip(track, np.arange(COLUMNS)) for width, track in tracks.items()})


def run(objective: Fraction, account: Account, ends: Iterable[int]) -> list[Firing]:
    """What fires at each of these evaluations (Unix seconds, whole minutes), one after the other."""
    formula = compile_slo(slo_of(objective), {})
    policy, revisions = policy_of(formula), default_revisions(formula)
    alerts = dict.fromkeys(severities(formula.slo), Alert())
    found = []
    for end in ends:
        (reading,) = read_groups(formula, {(): account}, end, policy, revisions)
        for severity, before in alerts.items():
            judged = stand(reading, policy, severity)
            alerts[severity] = decide(before, judged.level, judged.coverage, end).alert
            if alerts[severity].state is State.FIRING:
                found.append(Firing(end, severity))
    return found
