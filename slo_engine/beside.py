"""What a group's status says beside its counts: the verdicts on its time slices, and where its numbers are not all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.buckets import MINUTES
from core.durations import render
from core.measures import Group
from slo_engine import periods
from slo_engine.book import Account
from slo_engine.compile import Formula
from slo_engine.exclusions.counts import ExcludedCounts, LeftOut
from slo_engine.exclusions.round import ExclusionRound
from slo_engine.groups import override_of
from slo_engine.specs.model import Slo
from slo_engine.status import Reading, amount, iso
from slo_engine.timeslices.counts import SliceCounts
from slo_engine.timeslices.round import SliceRound
from storage.ledger.cells import Cells
from storage.ledger.columns import Columns
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey

_TIMES = ("start", "end", "exhausted_at")


class StatusBeside:
    """Knows it for the SLOs of one engine."""

    def __init__(self, slices: SliceRound, exclusions: ExclusionRound, keep: Mapping[int, float]) -> None:
        self._slices = slices
        self._exclusions = exclusions
        self._left_out = ExcludedCounts(keep)
        self._verdicts = SliceCounts(keep)

    def use(self, slos: Sequence[Slo], now: float) -> None:
        """Put SLOs in force, over a memory that `apply` has to fill."""
        self._verdicts.use(slos, now)
        self._left_out.use(slos, now)

    def apply(self, key: RowKey, cells: Cells | Columns, atoms: Mapping[int, Atom]) -> None:
        """Take in a bucket's content."""
        self._verdicts.apply(key, cells, atoms)
        self._left_out.apply(key, cells, atoms)

    def trim(self, now: float) -> None:
        """Forget what no window reaches."""
        self._verdicts.trim(now)
        self._left_out.trim(now)

    def net(self, formula: Formula, accounts: Mapping[Group, Account]) -> Mapping[Group, Account]:
        """The accounts without what is excluded."""
        return self._left_out.net(formula.slo, accounts)

    def excluded(self, formula: Formula, group: Group, minute: int) -> bool:
        """Whether the minute that begins at `minute` is excluded."""
        return self._exclusions.why(formula.slo, group, minute) is not None

    def evidence(self, reading: Reading, end: int) -> Mapping[str, Any]:
        """How many minutes of each window are excluded, of an SLO that excludes any."""
        slo, group = reading.formula.slo, reading.group
        found = {window: self._left_out.of(slo, group, end - window, end) for window in sorted(reading.windows)}
        minutes = {render(window): out.minutes for window, out in found.items() if out}
        return {"excluded_minutes": minutes} if minutes else {}

    def fields(self, reading: Reading, end: int) -> Mapping[str, Any]:
        """`override` of a group with its own target, `period` with a calendar, `slices`, and what is excluded."""
        slo, start = reading.formula.slo, end - periods.period_seconds(reading.formula.slo, end)
        period = periods.fields(slo, reading.period, end)
        override = override_of(slo.overrides, reading.group)
        verdicts = self._verdicts.of(slo, reading.group, start, end)
        return {
            **({"override": override.text} if override else {}),
            **({"period": _with_times(period)} if period else {}),
            **verdicts,
            **_excluded(reading.formula, self._left_out.of(slo, reading.group, start, end), verdicts),
        }

    def notes(self, reading: Reading, end: int) -> Iterable[str]:
        """That no period runs yet, and bucket bounds that slices were counted at."""
        slo = reading.formula.slo
        if slo.calendar and not periods.period_seconds(slo, end):
            yield f"its first period begins at {slo.calendar.start} {slo.calendar.zone}"
        yield from self._slices.notes(slo, reading.group)
        start = end - periods.period_seconds(slo, end)
        out = self._left_out.of(slo, reading.group, start, end)
        if out and out.minutes:
            why = "; ".join(self._exclusions.reasons(slo, reading.group, start, end)) or "what was announced then"
            yield f"{out.minutes} min are excluded ({why})"
        if now := self._exclusions.why(slo, reading.group, end - MINUTES.width):
            yield f"excluded now, so no alert begins or ends ({now})"


def _excluded(formula: Formula, out: LeftOut | None, verdicts: Mapping[str, Any]) -> dict[str, Any]:
    """What was left out: events (or target-seconds), of time slices those that are excluded whole."""
    if out is None:
        return {}
    total = amount(out.counts.total, formula.unit)
    return {
        "excluded_total": verdicts["slices"]["excluded"] if verdicts else total,
        "excluded_minutes": out.minutes,
    }


def _with_times(period: Mapping[str, Any]) -> dict[str, Any]:
    return {name: iso(value) if name in _TIMES else value for name, value in period.items()}
