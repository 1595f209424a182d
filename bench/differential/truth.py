"""The alerts that the truth asks for: the engine's conditions over what really happened, as far as scrapes can tell."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.fleets import Fleet, Ints
from slo_engine.compile import Formula
from slo_engine.conditions import Alert, Level, State, decide
from slo_engine.evaluate import policy_of
from slo_engine.low_traffic import MIN_BAD_EVENTS
from slo_engine.specs.model import Slo
from slo_engine.windows import BurnRow


class Truth:
    """One region's bad and total requests, by window."""

    def __init__(self, fleet: Fleet, region: str) -> None:
        mine = [target for target in fleet.targets if target.region == region]
        bad = sum((target.seen[1] for target in mine), np.zeros(fleet.seconds, np.int64))
        good = sum((target.seen[0] for target in mine), np.zeros(fleet.seconds, np.int64))
        self._bad, self._total = _running(bad), _running(bad + good)

    def window(self, begin: int, end: int) -> tuple[int, int]:
        """(bad, total) in [begin, end), in seconds since the beginning."""
        low = max(begin, 0)
        return int(self._bad[end] - self._bad[low]), int(self._total[end] - self._total[low])

    def firing(self, slo: Slo, severity: str, minutes: Iterable[int]) -> frozenset[int]:
        """The minutes at whose end the alert fires."""
        rows = [r for r in policy_of(Formula(slo, (), part_is_good=False)).rows if r.severity == severity]
        alert, found = Alert(), set()
        for minute in minutes:
            above = any(self._above(slo, row, minute) for row in rows)
            alert = decide(alert, Level.ABOVE if above else Level.BELOW, 1.0, minute).alert
            found |= {minute} if alert.state is State.FIRING else set()
        return frozenset(found)

    def _above(self, slo: Slo, row: BurnRow, end: int) -> bool:
        long, short = (self.window(end - window, end) for window in (row.long, row.short))
        burns = all(bad > row.factor * slo.budget * total for bad, total in (long, short) if total)
        return burns and bool(long[1] and short[1]) and long[0] >= MIN_BAD_EVENTS


def _running(counts: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
