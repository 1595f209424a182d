"""Burn rates and budgets: exact ratios of whole counts.

burn rate = bad ÷ allowed, where allowed = Σ over revisions of (1 − target in force) × total. For a ratio of sums,
bad is the numerator and allowed = ratio allowed × denominator. What is not known is None, never 0, NaN or 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from core.buckets import MINUTES
from slo_engine.book import Account, Counts
from slo_engine.compile import Formula
from slo_engine.specs.model import SumRatio

BLURRED = 0.5
"""A window of which more than this share is covered only by spans over three intervals cannot place a burst in time."""


class Revision(NamedTuple):
    """From `since` on (Unix seconds) this share of events may be bad."""

    since: float
    budget: Fraction


@dataclass(frozen=True)
class Spent:
    """What one window says. `bad` and `total` in ledger units; `allowed` is what the objective grants."""

    counts: Counts
    bad: int
    allowed: Fraction

    @property
    def rate(self) -> float | None:
        """Burn rate; None without events."""
        return float(self.bad / self.allowed) if self.allowed else None

    @property
    def remaining(self) -> float | None:
        """Share of the window's budget that is left; below 0 when more was spent than there was."""
        return None if not self.allowed else float(1 - self.bad / self.allowed)

    @property
    def known(self) -> bool:
        """Whether it can be said when within the window the events happened."""
        return self.counts.spread <= BLURRED * max(self.counts.covered, 1)


def spent(
    formula: Formula,
    account: Account,
    window: float,
    end: int,
    revisions: Sequence[Revision],
) -> Spent:
    """Sum one window that ends at `end`, with each part of it under the objective that was in force."""
    counts = Counts()
    allowed = Fraction(0)
    for start, stop, budget in _segments(end - window, end, revisions):
        part = account.window(start, stop)
        counts = counts.plus(part)
        allowed += budget * part.total
    return Spent(counts, bad_of(formula, counts), allowed)


def bad_of(formula: Formula, counts: Counts) -> int:
    """Bad events (a ratio of sums: its numerator) in ledger units."""
    return counts.total - counts.part if formula.part_is_good else counts.part


def budget_of(formula: Formula) -> Fraction:
    """The share of the total that an objective lets be bad."""
    indicator = formula.slo.indicator
    return indicator.allowed if isinstance(indicator, SumRatio) else formula.slo.budget


def _segments(start: float, end: int, revisions: Sequence[Revision]) -> list[tuple[float, int, Fraction]]:
    """The window cut at the revisions inside it, at whole minutes; the first revision reaches back for ever."""
    cuts = [r for r in revisions[1:] if start < r.since < end]
    first = max((r for r in revisions if r.since <= start), key=lambda r: r.since, default=revisions[0])
    edges: list[tuple[float, Fraction]] = [(start, first.budget)]
    edges += [(int(r.since // MINUTES.width) * MINUTES.width, r.budget) for r in cuts]
    stops = [int(at) for at, _ in edges[1:]] + [end]
    return [(at, stop, budget) for (at, budget), stop in zip(edges, stops, strict=True)]
