"""Keeping count of what is excluded: for each excluded minute the counts that an SLO leaves out, as rows of a source of
the engine's own. Wide buckets then hold exactly what the minutes in them left out, for as long as they are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select

from core.buckets import MINUTES
from core.durations import DAY
from core.measures import Group, Measure
from slo_engine.book import Counts
from slo_engine.compile import COLUMNS, PART, TOTAL, Formula, counted_formula, definition_key
from slo_engine.exclusions.schedule import Schedule, spans_of
from slo_engine.specs.model import Slo, TimeSlices
from slo_engine.timeslices.tally import Tally
from storage import deployments, maintenance
from storage.database import Database
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush
from storage.tables import ledger_row

SOURCE = "engine:excluded"
COUNTS = ("part", "total", "expected", "covered", "spread")
"""Attributes of what is left out, in the order of a formula's columns."""
MINUTE = "minute"
AT_ONCE = 240
"""Minutes that are counted in one tick, newest first."""
_DEPLOYMENTS = 10_000
"""Registered deployments that are read of the last three days."""
_AHEAD = 3600.0
"""Seconds of the time to come that a schedule holds."""


def excluded_name(slo: Slo) -> str:
    """The measure of what an SLO leaves out; another SLI begins another."""
    assert slo.counted is not None
    return f"excluded:{slo.name} {definition_key(slo.counted)}"


def left_out(formula: Formula, schedule: Schedule, group: Group, counts: Counts, minute: int) -> AtomCells:
    """What one group's minute adds to the row: its counts; over time slices whole verdicts are left out, not events."""
    slo = formula.slo
    if schedule.why(slo, group, minute) is None:
        return {}
    skipped = (PART, TOTAL) if isinstance(slo.indicator, TimeSlices) else ()
    amounts = {COUNTS[column]: counts[column] for column in range(COLUMNS) if column not in skipped}
    name = excluded_name(slo)
    amounts[MINUTE] = 1
    return {(Atom(Measure(name, "", (("count", what),)), group), 0): n for what, n in amounts.items() if n}


class ExclusionRound:
    """Counts what is excluded for one engine."""

    def __init__(self, database: Database, dictionary: Dictionary) -> None:
        self._db = database
        self._dictionary = dictionary
        self._slos: tuple[Slo, ...] = ()
        self._tally = Tally((), self._atom)
        self._mark: Checkpoint | None = None
        self._waiting: set[int] = set()
        self._stamp: object = None
        self.schedule = Schedule()

    def lead(self) -> None:
        """Another engine may have written since."""
        self._mark, self._stamp, self._waiting = None, None, set()

    def use(self, slos: Iterable[Slo], layers: Mapping[str, str]) -> None:
        """Put SLOs in force: what they exclude of the minutes that are kept is counted anew."""
        self._slos = tuple(slo for slo in slos if slo.exclude and slo.counted and not slo.unsupported)
        self._tally = Tally([_with_slices(slo, counted_formula(slo, layers)) for slo in self._slos], self._atom)
        self._stamp = None

    def refresh(self, now: float) -> set[int]:
        """Read what was announced and registered; the minutes about which it says something else than before."""
        if not self._slos:
            return set()
        low, high = now - MINUTES.retention, now + 2 * _AHEAD
        announced = maintenance.since(self._db, low)
        registered = deployments.since(self._db, low - DAY, _DEPLOYMENTS)
        stamp = (announced, registered, int(now // _AHEAD))
        if stamp == self._stamp:
            return set()
        fresh = self._stamp is None
        self._stamp = stamp
        before, self.schedule = self.schedule, Schedule(spans_of(announced, low, high), tuple(registered))
        changed = self.schedule.minutes(self._slos) | before.minutes(self._slos)
        if not fresh:
            changed -= self._same(before)
        else:
            changed |= self._held(now)
        found = {minute for minute in changed if low <= minute <= now}
        self._waiting |= found
        return found

    def changed(self, minutes: Iterable[int]) -> None:
        """The content of these minutes is new."""
        if self._slos:
            self._waiting |= set(minutes) & self.schedule.minutes(self._slos)

    def write(self, now: float) -> bool:
        """Count what waits; whether anything was written."""
        chosen = sorted(self._waiting, reverse=True)[:AT_ONCE]
        if not chosen:
            return False
        found = {RowKey(MINUTES.width, minute): self._row(minute) for minute in chosen}
        mark = self._mark or rows.open_source(self._db, "engine", SOURCE, now)
        won, _ = rows.commit(self._db, self._dictionary, [SourceFlush(mark, b"", found)], now)
        self._mark = won.get(mark.source_id)
        if self._mark is None:
            return False
        self._waiting -= set(chosen)
        return True

    def why(self, slo: Slo, group: Group, minute: int) -> str | None:
        """Why an SLO does not count a minute in a group; None when it does."""
        return self.schedule.why(slo, group, minute)

    def reasons(self, slo: Slo, group: Group, start: float, end: float) -> list[str]:
        """Why minutes of [start, end) are excluded, as far as minutes are kept."""
        return self.schedule.reasons(slo, group, start, end)

    def _held(self, now: float) -> set[int]:
        """Minutes of which something was left out by what was in force before."""
        mark = self._mark = rows.open_source(self._db, "engine", SOURCE, now)
        of_source = ledger_row.c.source_id == mark.source_id, ledger_row.c.width == MINUTES.width
        with self._db.read() as connection:
            return {int(row.bucket) for row in connection.execute(select(ledger_row.c.bucket).where(*of_source))}

    def _same(self, before: Schedule) -> set[int]:
        """Minutes that are excluded by the same spans and deployments as before."""
        spans = set(before.maintenance) ^ set(self.schedule.maintenance)
        others = set(before.deployments) ^ set(self.schedule.deployments)
        moved = Schedule(tuple(spans), tuple(others)).minutes(self._slos)
        return (self.schedule.minutes(self._slos) | before.minutes(self._slos)) - moved

    def _row(self, minute: int) -> AtomCells:
        content: AtomCells = {}
        for _, cells in rollups.read(self._db, MINUTES.width, minute, minute + MINUTES.width):
            for (place, group), counts in self._tally.of(cells).items():
                content |= left_out(self._tally.formulas[place], self.schedule, group, counts, minute)
        return content

    def _atom(self, series_id: int) -> Atom:
        return self._dictionary.atom(self._db, series_id)


def _with_slices(slo: Slo, formula: Formula) -> Formula:
    """What is counted, with the SLO as it is kept."""
    return Formula(slo, formula.terms, formula.part_is_good)
