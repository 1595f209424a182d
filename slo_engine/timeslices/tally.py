"""What minutes hold of several formulas, group by group, without keeping it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.measures import Group
from slo_engine.book import Counts
from slo_engine.compile import COLUMNS, TOTAL, Cut, Formula
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom

Minute = dict[tuple[int, Group], Counts]
"""(place of the formula, group) → its columns."""

_Route = tuple[int, Group, int, int, int]


class Tally:
    """Sums the cells of a minute; `atom_of` tells what a series id stands for. `cuts`: buckets that thresholds cut."""

    def __init__(self, formulas: Sequence[Formula], atom_of: Callable[[int], Atom]) -> None:
        self.formulas = tuple(formulas)
        self._atom_of = atom_of
        self.cuts: dict[tuple[int, Group], set[Cut]] = {}
        self._routes: dict[int, tuple[_Route, ...]] = {}

    def of(self, cells: Cells) -> Minute:
        """The columns of every formula and group that has anything in these cells."""
        sums: dict[tuple[int, Group], list[int]] = {}
        for (series_id, cell), n in cells.items():
            for place, group, column, low, high in self._routes_of(series_id):
                if low <= cell < high:
                    sums.setdefault((place, group), [0] * COLUMNS)[column] += n
        return {key: Counts(*columns) for key, columns in sums.items()}

    def _routes_of(self, series_id: int) -> tuple[_Route, ...]:
        found = self._routes.get(series_id)
        if found is None:
            found = self._routes[series_id] = tuple(self._make(self._atom_of(series_id)))
        return found

    def _make(self, atom: Atom) -> list[_Route]:
        routes: list[_Route] = []
        for place, formula in enumerate(self.formulas):
            for term in formula.terms:
                if (cells := term.pick(atom)) is None:
                    continue
                group = formula.group_of(atom)
                routes.append((place, group, term.column, *cells))
                if term.column == TOTAL and (cut := formula.cut_of(atom)) is not None:
                    self.cuts.setdefault((place, group), set()).add(cut)
        return routes
