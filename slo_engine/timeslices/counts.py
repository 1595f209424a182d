"""How many slices of an SLO's window had which verdict, for its status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from core.measures import Group
from slo_engine.book import KEEP, Book
from slo_engine.compile import SHARES, Formula, Term, pick_named, timeslices_name
from slo_engine.specs.model import Slo, TimeSlices
from storage.ledger.cells import Cells
from storage.ledger.columns import Columns
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey


class Slices(NamedTuple):
    """Slices by verdict; for RatioTimeslices good and bad are in parts of SHARES. In the order of a book's columns."""

    good: int = 0
    bad: int = 0
    idle: int = 0
    no_data: int = 0
    excluded: int = 0


class SliceCounts:
    """Remembers the verdicts on the slices of one engine's SLOs."""

    def __init__(self, keep: Mapping[int, float] = KEEP) -> None:
        self._keep = keep
        self._book = Book((), keep)
        self._places: dict[str, int] = {}

    def use(self, slos: Iterable[Slo], now: float) -> None:
        """Put SLOs in force, over a memory that `apply` has to fill."""
        sliced = [slo for slo in slos if isinstance(slo.indicator, TimeSlices) and not slo.unsupported]
        self._places = {slo.name: place for place, slo in enumerate(sliced)}
        self._book = Book([_by_verdict(slo, slo.indicator) for slo in sliced], self._keep)  # type: ignore[arg-type] # chosen so
        self._book.trim(now)

    def apply(self, key: RowKey, cells: Cells | Columns, atoms: Mapping[int, Atom]) -> None:
        """Take in a bucket's content."""
        if self._places:
            self._book.apply(key, cells, atoms)

    def trim(self, now: float) -> None:
        """Forget what no window reaches."""
        self._book.trim(now)

    def of(self, slo: Slo, group: Group, start: float, end: int) -> dict[str, Any]:
        """The field `slices` of a group's status; nothing for an SLO without slices."""
        if slo.name not in self._places or not isinstance(slo.indicator, TimeSlices):
            return {}
        account = self._book.accounts[self._places[slo.name]].get(group)
        found = Slices(*account.window(start, end)) if account else Slices()
        silent = {"idle": found.idle, "no_data": found.no_data, "excluded": found.excluded}
        if slo.indicator.target is None:
            return {"slices": {"judged": (found.good + found.bad) // SHARES, **silent}}
        return {"slices": {"good": found.good, "bad": found.bad, **silent}}


def _by_verdict(slo: Slo, indicator: TimeSlices) -> Formula:
    name = timeslices_name(indicator)
    terms = (Term(column, pick_named(name, {"verdict": verdict})) for column, verdict in enumerate(Slices._fields))
    return Formula(slo, tuple(terms), part_is_good=True)
