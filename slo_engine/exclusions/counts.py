"""What was left out of each window, read back from the ledger: accounts without it, and how much it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from core.buckets import MINUTES
from core.measures import Group
from slo_engine.book import KEEP, Account, Book, Counts
from slo_engine.compile import PART, Formula, Term, pick_named
from slo_engine.exclusions.round import COUNTS, MINUTE, excluded_name
from slo_engine.specs.model import Slo, TimeSlices
from slo_engine.track import Numbers
from storage.ledger.cells import Cells
from storage.ledger.columns import Columns
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey


class NetAccount(Account):
    """An account less what was left out."""

    def __init__(self, whole: Account, out: Account) -> None:
        super().__init__(whole.strips, whole.cuts)
        self._whole, self._out = whole, out

    def window(self, start: float, end: int) -> Counts:
        """Sum [start, end) without what is excluded."""
        out = self._out.window(start, end)
        return Counts(*(n - less for n, less in zip(self._whole.window(start, end), out, strict=True)))

    def steps(self, start: int, end: int, width: int) -> Numbers:
        """The columns of each bucket of a width without what is excluded."""
        found: Numbers = self._whole.steps(start, end, width) - self._out.steps(start, end, width)
        return found


class LeftOut(NamedTuple):
    """What a window leaves out: its minutes, and what was counted in them."""

    minutes: int
    counts: Counts


class ExcludedCounts:
    """Remembers what the SLOs of one engine leave out."""

    def __init__(self, keep: Mapping[int, float] = KEEP) -> None:
        self._keep = keep
        self._book = Book((), keep)
        self._places: dict[str, int] = {}

    def use(self, slos: Iterable[Slo], now: float | None) -> None:
        """Put SLOs in force, over a memory that `apply` has to fill; `now` None keeps everything."""
        some = [slo for slo in slos if slo.exclude and slo.counted and not slo.unsupported]
        self._places = {slo.name: 2 * place for place, slo in enumerate(some)}
        self._book = Book([formula for slo in some for formula in _formulas(slo)], self._keep)
        if now is not None:
            self._book.trim(now)

    def apply(self, key: RowKey, cells: Cells | Columns, atoms: Mapping[int, Atom]) -> None:
        """Take in a bucket's content."""
        if self._places:
            self._book.apply(key, cells, atoms)

    def trim(self, now: float) -> None:
        """Forget what no window reaches."""
        self._book.trim(now)

    def net(self, slo: Slo, accounts: Mapping[Group, Account]) -> Mapping[Group, Account]:
        """The accounts of an SLO without what it leaves out."""
        place = self._places.get(slo.name)
        if place is None:
            return accounts
        out = self._book.accounts[place]
        return {group: NetAccount(one, out[group]) if group in out else one for group, one in accounts.items()}

    def any(self, slo: Slo, group: Group, end: int) -> bool:
        """Whether the minute that ends at `end` is left out."""
        out = self.of(slo, group, end - MINUTES.width, end)
        return out is not None and out.minutes > 0

    def of(self, slo: Slo, group: Group, start: float, end: int) -> LeftOut | None:
        """What a group's window leaves out; None for an SLO that excludes nothing."""
        place = self._places.get(slo.name)
        if place is None:
            return None
        out, minutes = (self._book.accounts[place + step].get(group) for step in (0, 1))
        counts = out.window(start, end) if out else Counts()
        return LeftOut(minutes.window(start, end).part if minutes else 0, counts)


def _formulas(slo: Slo) -> tuple[Formula, Formula]:
    """Of the counts and of the minutes. Their book has to know that they may be taken back, as verdicts may."""
    assert slo.counted is not None
    taken_back = replace(slo, indicator=TimeSlices(slo.counted, 60, None))
    name = excluded_name(slo)
    counts = tuple(Term(column, pick_named(name, {"count": what})) for column, what in enumerate(COUNTS))
    minutes = Term(PART, pick_named(name, {"count": MINUTE}))
    return Formula(taken_back, counts, part_is_good=True), Formula(taken_back, (minutes,), part_is_good=True)
