"""The engine's memory and decisions, slowly: every bucket of every group in a dictionary, every sum made anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from core.buckets import TIERS, end_of_window, start_of
from core.measures import Group
from slo_engine.book import AHEAD, Counts
from slo_engine.burn import Revision
from slo_engine.compile import COLUMNS, Formula
from slo_engine.windows import BurnPolicy, BurnRow
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey


@dataclass
class SlowBook:
    """One formula. `keep`: seconds of each width."""

    formula: Formula
    keep: Mapping[int, float]
    groups: set[Group] = field(default_factory=set)
    buckets: dict[RowKey, dict[Group, list[int]]] = field(default_factory=dict)
    now: float | None = None

    def apply(self, key: RowKey, cells: Mapping[tuple[int, int], int], atoms: Mapping[int, Atom]) -> None:
        """Replace one bucket, if a window may reach it."""
        if self.now is not None:
            before = start_of(self.now - self.keep[key.width], key.width)
            if not before <= key.bucket <= self.now + AHEAD:
                return
        content: dict[Group, list[int]] = {}
        for (series_id, cell), n in cells.items():
            for term in self.formula.terms:
                counted = term.pick(atoms[series_id])
                if counted is not None and counted[0] <= cell < counted[1]:
                    group = self.formula.group_of(atoms[series_id])
                    content.setdefault(group, [0] * COLUMNS)[term.column] += n
        self.groups |= set(content)
        self.buckets[key] = content

    def trim(self, now: float) -> None:
        """Forget what no window reaches."""
        self.now = now
        for width, seconds in self.keep.items():
            before = start_of(now - seconds, width)
            self.buckets = {k: c for k, c in self.buckets.items() if k.width != width or k.bucket >= before}

    def window(self, group: Group, start: float, end: int) -> Counts:
        """The sum of [start, end): the widest buckets inside it, narrower ones at its edges."""
        sums = [0] * COLUMNS
        for width, low, high in _pieces(start, end, [tier.width for tier in reversed(TIERS)]):
            for key, content in self.buckets.items():
                if key.width == width and low <= key.bucket < high:
                    sums = [a + b for a, b in zip(sums, content.get(group, [0] * COLUMNS), strict=True)]
        return Counts(*sums)

    def since(self, group: Group) -> float | None:
        """Start of the first bucket that holds anything."""
        return min(
            (float(key.bucket) for key, content in self.buckets.items() if any(content.get(group, ()))), default=None
        )


def _pieces(start: float, end: int, widths: Sequence[int]) -> Iterable[tuple[int, int, int]]:
    width, narrower = widths[0], widths[1:]
    low, high = end_of_window(start, width), start_of(end, width)
    if high > low:
        yield width, low, high
    if narrower and high > low:
        yield from _pieces(start, low, narrower)
        yield from _pieces(high, end, narrower)
    elif narrower:
        yield from _pieces(start, end, narrower)


class SlowSpent(NamedTuple):
    """One window of one group."""

    counts: Counts
    bad: int
    allowed: Fraction


def spent(book: SlowBook, group: Group, length: int, end: int, revisions: Sequence[Revision]) -> SlowSpent:
    """Each part of the window under the budget that was in force when it began."""
    start = end - length
    first = [r for r in revisions if r.since <= start][-1:] or list(revisions[:1])
    forces = [(float(start), first[0].budget)]
    forces += [
        (float(start_of(r.since, 60)), r.budget) for r in revisions if r is not first[0] and start < r.since < end
    ]
    totals = [book.window(group, since, end).total for since, _ in forces] + [0]
    allowed = sum((b * (totals[n] - totals[n + 1]) for n, (_, b) in enumerate(forces)), Fraction(0))
    counts = book.window(group, start, end)
    return SlowSpent(counts, counts.total - counts.part if book.formula.part_is_good else counts.part, allowed)


def alarms(book: SlowBook, group: Group, end: int, policy: BurnPolicy, revisions: Sequence[Revision]) -> bool:
    """Whether the short window of any row is above, as far as it is known."""
    return any(_short_is_above(spent(book, group, row.short, end, revisions), row) for row in policy.rows)


def _short_is_above(short: SlowSpent, row: BurnRow) -> bool:
    known = 2 * short.counts.spread <= max(short.counts.covered, 1)
    return known and bool(short.allowed) and short.bad > row.factor * short.allowed
