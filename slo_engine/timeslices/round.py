"""Judging the time slices of an engine: each once it is complete, and again when late counts change one of its minutes.

A verdict stands in the last minute of its slice, so that every window that ends with or after the slice sees it. The
rows are those of a source of the engine's own, and are replaced whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from core.buckets import MINUTES, start_of
from core.measures import Group, Measure
from slo_engine.book import Counts
from slo_engine.compile import Formula, counted_formula, timeslices_name
from slo_engine.specs.model import Latency, Slo, TimeSlices
from slo_engine.status import cut_note
from slo_engine.timeslices.judge import judge
from slo_engine.timeslices.tally import Minute, Tally
from storage.database import Database
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush

SOURCE = "engine:timeslices"
AT_ONCE = 240
"""Minutes whose verdicts are made in one tick, newest first: a new SLO judges two days without holding others up."""
_JUDGED_AGAIN = 600
"""A new leader judges the slices of these last seconds again: the one before may have rolled them up and gone."""
_WIDTH = MINUTES.width


WhyNot = Callable[[Slo, Group, int], str | None]
"""Why an SLO does not count a minute in a group; None when it does."""


def _counted(_slo: Slo, _group: Group, _minute: int) -> str | None:
    return None


class Definition(NamedTuple):
    """Slices to judge; equal ones of several SLOs are judged once."""

    name: str
    formula: Formula
    slices: TimeSlices


def definitions_of(slos: Iterable[Slo], layers: Mapping[str, str]) -> tuple[Definition, ...]:
    """The time slices of the SLOs in force."""
    found = {}
    for slo in slos:
        if isinstance(slo.indicator, TimeSlices) and not slo.unsupported:
            name = timeslices_name(slo.indicator)
            found[name] = Definition(name, counted_formula(slo, layers), slo.indicator)
    return tuple(found.values())


def ends_of(definitions: Sequence[Definition], minutes: Iterable[int]) -> set[int]:
    """The last minutes of the slices that hold these minutes: where their verdicts stand."""
    widths = {definition.slices.seconds for definition in definitions}
    return {start_of(minute, width) + width - _WIDTH for minute in minutes for width in widths}


def verdicts(
    definitions: Sequence[Definition], minutes: Mapping[int, Minute], last: int, why: WhyNot = _counted
) -> AtomCells:
    """The row of the minute that begins at `last`: the verdicts on every slice that ends with it.

    Minutes that are excluded are as if they were not; a slice of which nothing else is left is `excluded`.
    """
    content: AtomCells = {}
    end = last + _WIDTH
    for place, definition in enumerate(definitions):
        if end % definition.slices.seconds:
            continue
        inside = range(end - definition.slices.seconds, end, _WIDTH)
        for group, counts in _sums(place, definition, {at: minutes.get(at, {}) for at in inside}, why).items():
            found = judge(definition.formula, counts, definition.slices.target) if counts else {"excluded": 1}
            for verdict, n in found.items():
                content[Atom(Measure(definition.name, "", (("verdict", verdict),)), group), 0] = n
    return content


def _sums(place: int, definition: Definition, minutes: Mapping[int, Minute], why: WhyNot) -> dict[Group, Counts | None]:
    """What a slice counted by group; None where all of it is excluded."""
    sums: dict[Group, Counts | None] = {}
    for at, minute in minutes.items():
        for (of, group), counts in minute.items():
            if of != place:
                continue
            before = sums.setdefault(group, None)
            if why(definition.formula.slo, group, at) is None:
                sums[group] = (before or Counts()).plus(counts)
    return sums


class SliceRound:
    """Judges time slices for one engine."""

    def __init__(self, database: Database, dictionary: Dictionary, why: WhyNot = _counted) -> None:
        self._why = why
        self._db = database
        self._dictionary = dictionary
        self._definitions: tuple[Definition, ...] = ()
        self._tally = Tally((), self._atom)
        self._mark: Checkpoint | None = None
        self._waiting: set[int] = set()

    def lead(self) -> None:
        """Another engine may have written since."""
        self._mark, self._waiting = None, set()

    def use(
        self, slos: Iterable[Slo], layers: Mapping[str, str], measured: frozenset[str], evaluated: int, now: float
    ) -> None:
        """Put SLOs in force. `measured`: measures that the ledger has; slices that it has not are judged as far back as
        minutes are kept, others from shortly before the minute that was `evaluated` last."""
        self._definitions = definitions_of(slos, layers)
        self._tally = Tally([definition.formula for definition in self._definitions], self._atom)
        fresh = any(definition.name not in measured for definition in self._definitions)
        oldest = now - MINUTES.retention + _WIDTH
        since = oldest if fresh else max(oldest, evaluated - _JUDGED_AGAIN)
        # With the minute that runs: what it holds by now may have been rolled up by the engine before.
        self.changed(range(start_of(since, _WIDTH), start_of(now, _WIDTH) + 2 * _WIDTH, _WIDTH))

    def changed(self, minutes: Iterable[int]) -> None:
        """The content of these minutes is new; the slices that hold them wait to be judged."""
        self._waiting |= ends_of(self._definitions, minutes)

    def judge(self, watermark: float | None, now: float) -> bool:
        """Judge the slices that are complete; whether anything was written."""
        if watermark is None:
            return False
        complete = sorted((last for last in self._waiting if last + _WIDTH <= watermark), reverse=True)[:AT_ONCE]
        if not complete:
            return False
        minutes = self._read(complete)
        found = {RowKey(_WIDTH, last): verdicts(self._definitions, minutes, last, self._why) for last in complete}
        if not self._commit(found, now):
            return False
        self._waiting -= set(complete)
        return True

    def notes(self, slo: Slo, group: Group) -> list[str]:
        """What must be said of the numbers of a group: buckets that a latency's threshold cuts."""
        if not isinstance(slo.indicator, TimeSlices) or not isinstance(slo.counted, Latency):
            return []
        place = [definition.name for definition in self._definitions].index(timeslices_name(slo.indicator))
        formula = self._definitions[place].formula
        return [cut_note(formula, *cut) for cut in sorted(self._tally.cuts.get((place, group), set()))]

    def _commit(self, found: Mapping[RowKey, AtomCells], now: float) -> bool:
        mark = self._mark or rows.open_source(self._db, "engine", SOURCE, now)
        won, _ = rows.commit(self._db, self._dictionary, [SourceFlush(mark, b"", found)], now)
        self._mark = won.get(mark.source_id)
        return self._mark is not None

    def _read(self, complete: Sequence[int]) -> dict[int, Minute]:
        """What was counted in every minute of the slices that end with these minutes."""
        ends = {last + _WIDTH for last in complete}
        wanted = {
            minute
            for definition in self._definitions
            for end in ends
            if end % definition.slices.seconds == 0
            for minute in range(end - definition.slices.seconds, end, _WIDTH)
        }
        return {
            key.bucket: self._tally.of(cells)
            for start, end in _runs(sorted(wanted))
            for key, cells in rollups.read(self._db, _WIDTH, start, end)
        }

    def _atom(self, series_id: int) -> Atom:
        return self._dictionary.atom(self._db, series_id)


def _runs(minutes: Sequence[int]) -> list[tuple[int, int]]:
    """Minutes as [start, end) without gaps."""
    found: list[tuple[int, int]] = []
    for minute in minutes:
        if found and found[-1][1] == minute:
            found[-1] = found[-1][0], minute + _WIDTH
        else:
            found.append((minute, minute + _WIDTH))
    return found
