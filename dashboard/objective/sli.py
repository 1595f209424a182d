"""An SLI as the engine describes it with each revision, and how it is counted from the ledger's cells.

`slo_engine.describe` writes the description; here it is read. Sums are those of the engine: a test holds both together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from core.buckets import FIVE_MINUTES, HOURS, MINUTES, end_of_window, start_of
from core.durations import DAY, HOUR
from core.errors import ParseError
from core.histogram import cells_at_or_below
from core.matchers import Matcher, matches_all, parse_matchers
from core.measures import TARGET_TIME, Group, project
from core.signals import SIGNALS
from dashboard.debug.buckets import Cells, Ints, Piece
from dashboard.debug.span import Span
from storage.ledger.dictionary import Atom

PART, TOTAL, EXPECTED, COVERED = range(4)
COLUMNS = 4
_STATES = {"expected": EXPECTED, "covered": COVERED}
_WIDTHS = (HOURS.width, FIVE_MINUTES.width, MINUTES.width)
HELD = {MINUTES.width: 7 * HOUR, FIVE_MINUTES.width: 4 * DAY, HOURS.width: 400 * DAY}
"""Seconds for which the engine keeps each width in mind: its sums know nothing finer of what is older."""


class Terms(BaseModel):
    """What one column counts; `layer` None is the outermost that the fleet has, "" is any."""

    model_config = ConfigDict(frozen=True)

    measures: tuple[str, ...]
    where: str
    layer: str | None
    at_or_below: float | None = None


class Covered(BaseModel):
    """Whose target-time is the SLI's."""

    model_config = ConfigDict(frozen=True)

    signal: str
    layer: str | None
    of: tuple[str, ...]


class Description(BaseModel):
    """What is stored with a revision."""

    model_config = ConfigDict(frozen=True)

    kind: str
    by: tuple[str, ...]
    part_is_good: bool
    unit: float
    part: Terms
    total: Terms
    coverage: Covered

    @property
    def sampled(self) -> bool:
        """Whether its events are verdicts on a sample, which bare counts do not weigh."""
        return any(name in SIGNALS and SIGNALS[name].sampled for name in self.total.measures)


class Limit(BaseModel):
    """It alerts when the burn of both windows is above the factor; windows in Prometheus's notation."""

    model_config = ConfigDict(frozen=True)

    severity: str
    long: str
    short: str
    factor: float


class Unreadable(NamedTuple):
    """Why a formula cannot be counted here."""

    reason: str


def read_description(spec: Mapping[str, Any]) -> Description | Unreadable:
    """The description in a revision's `spec`."""
    given = spec.get("sli")
    if given is None:
        return Unreadable("its revision was stored before formulas were: the next change of the objective brings one")
    if given.get("kind") == "composite":
        names = ", ".join(str(part.get("slo")) for part in given.get("components", ()))
        return Unreadable(f"it counts nothing itself; choose one of its components: {names}")
    try:
        found = Description.model_validate(given)
        for terms in (found.part, found.total):
            parse_matchers(terms.where)
    except (ValidationError, ParseError) as error:
        first = str(error).splitlines()[0]
        return Unreadable(f"its stored formula cannot be read ({first})")
    return found


def read_policy(spec: Mapping[str, Any]) -> tuple[Limit, ...]:
    """When it alerts, as the revision's `spec` says; nothing where it does not say or cannot be read."""
    try:
        return tuple(Limit.model_validate(one) for one in spec.get("policy") or ())
    except ValidationError:
        return ()


@dataclass(frozen=True)
class Formula:
    """A description, with the layer that each signal is counted in."""

    sli: Description
    layers: Mapping[str, str]

    def ranges(self, atom: Atom) -> Iterable[tuple[int, int, int]]:
        """(column, first cell, cell behind the last) of every column that an atom counts in."""
        if atom.measure.name == TARGET_TIME:
            yield from self._time(atom)
            return
        for column, terms in ((PART, self.sli.part), (TOTAL, self.sli.total)):
            if self._fits(terms, atom):
                yield column, 0, _cells(terms, atom)

    def _fits(self, terms: Terms, atom: Atom) -> bool:
        measure = atom.measure
        if measure.name not in terms.measures:
            return False
        layer = self.layers.get(measure.name, "") if terms.layer is None else terms.layer
        if layer != measure.layer and terms.layer != "":
            return False
        return matches_all(_matchers(terms.where), {**dict(atom.group), **dict(measure.attrs)})

    def _time(self, atom: Atom) -> Iterable[tuple[int, int, int]]:
        covered, attrs = self.sli.coverage, dict(atom.measure.attrs)
        layer = self.layers.get(covered.signal, "engine") if covered.layer is None else covered.layer
        if covered.layer != "" and layer != atom.measure.layer:
            return
        column = _STATES.get(attrs.get("state", ""))
        if column is not None and attrs.get("of", "") in covered.of:
            yield column, 0, 1


class Counted(NamedTuple):
    """The columns of every bucket that has any: `starts` (Unix seconds) and `sums`, shape (buckets, COLUMNS)."""

    starts: Ints
    sums: Ints

    def total(self) -> Ints:
        """All buckets together, shape (COLUMNS,)."""
        total: Ints = self.sums.sum(axis=0)
        return total


def count(formula: Formula, cells: Cells, atoms: Mapping[int, Atom], group: Group) -> Counted:
    """One group's columns by bucket; `group` is one of the SLO's own, by its `by`."""
    mine = {id_: atom for id_, atom in atoms.items() if project(atom.group, formula.sli.by) == group}
    starts, index = np.unique(cells.at, return_inverse=True)
    sums: Ints = np.zeros((len(starts), COLUMNS), np.int64)
    low, high = _lookups(formula, mine, int(cells.ids.max(initial=0)) + 1)
    for column in range(COLUMNS):
        chosen = (cells.cells >= low[column, cells.ids]) & (cells.cells < high[column, cells.ids])
        np.add.at(sums[:, column], index[chosen], cells.counts[chosen])
    return Counted(starts, sums)


def pieces(start: float, end: int, now: float) -> list[Piece]:
    """[start, end) as hours with finer buckets at its edges, for as long as the engine holds them; in order."""
    held = (
        Piece(p.width, max(p.start, start_of(now - HELD[p.width], p.width)), p.end) for p in _cut(start, end, _WIDTHS)
    )
    return [piece for piece in held if piece.start < piece.end]


def pieces_through(start: float, end: int, span: Span) -> list[Piece]:
    """[start, end) for a window that ends now, with the span's own narrower buckets where it is looked at closely.

    Only the window's first edge is one that the engine forgets: hours that it sums whole are told apart here.
    """
    low, high = max(float(span.start), start), min(span.end, end)
    edge = end_of_window(start, HOURS.width)
    if low <= edge or high <= low:
        return pieces(start, end, end)
    inner = tuple(width for width in _WIDTHS if width <= span.width)
    head = [*pieces(start, edge, end), *_cut(edge, int(low), _WIDTHS)]
    return [*head, *_cut(low, high, inner), *_cut(high, end, _WIDTHS)]


def _cut(start: float, end: int, widths: tuple[int, ...]) -> Iterable[Piece]:
    width, finer = widths[0], widths[1:]
    low, high = end_of_window(start, width), start_of(end, width)
    if not finer or high > low:
        if finer:
            yield from _cut(start, low, finer)
        if high > low:
            yield Piece(width, low, high)
        if finer:
            yield from _cut(high, end, finer)
        return
    yield from _cut(start, end, finer)


def _lookups(formula: Formula, atoms: Mapping[int, Atom], size: int) -> tuple[Ints, Ints]:
    """For each column and series id the cells that count, as two arrays of shape (COLUMNS, size)."""
    low: Ints = np.zeros((COLUMNS, size), np.int64)
    high: Ints = np.zeros((COLUMNS, size), np.int64)
    for id_, atom in atoms.items():
        for column, first, behind in formula.ranges(atom):
            low[column, id_], high[column, id_] = first, behind
    return low, high


def _cells(terms: Terms, atom: Atom) -> int:
    bounds = atom.measure.bounds
    if bounds is None:
        return 1
    return len(bounds) + 1 if terms.at_or_below is None else cells_at_or_below(bounds, terms.at_or_below)


def _matchers(where: str) -> tuple[Matcher, ...]:
    return parse_matchers(where) if where else ()
