"""Burn rates and budgets: exact ratios of whole counts.

burn rate = bad ÷ allowed, where allowed = Σ over revisions of (1 − target in force) × total. For a ratio of sums,
bad is the numerator and allowed = ratio allowed × denominator. What is not known is None, never 0, NaN or 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from core.buckets import MINUTES, start_of
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
    forces = in_force(end - window, end, revisions)
    # Each revision reaches from its beginning to the end, less what the next one took over: where only hours are still
    # held, a change within one falls to its edge, and no count is lost between two parts.
    tails = [account.window(since, end) for since, _ in forces]
    totals = [tail.total for tail in tails] + [0]
    parts = (here - later for here, later in pairwise(totals))
    allowed = sum((budget * part for (_, budget), part in zip(forces, parts, strict=True)), Fraction(0))
    return Spent(tails[0], bad_of(formula, tails[0]), allowed)


def period_of(
    formula: Formula, account: Account, end: int, revisions: Sequence[Revision], reset_at: float | None = None
) -> Spent:
    """The SLO's own window; after a reset only what was counted from its minute on."""
    window: float = formula.slo.window_seconds
    if reset_at is not None:
        window = max(0, min(window, end - start_of(reset_at, MINUTES.width)))
    return spent(formula, account, window, end, revisions)


def bad_of(formula: Formula, counts: Counts) -> int:
    """Bad events (a ratio of sums: its numerator) in ledger units."""
    return counts.total - counts.part if formula.part_is_good else counts.part


def budget_of(formula: Formula) -> Fraction:
    """The share of the total that an objective lets be bad."""
    indicator = formula.slo.indicator
    return indicator.allowed if isinstance(indicator, SumRatio) else formula.slo.budget


def in_force(start: float, end: int, revisions: Sequence[Revision]) -> list[tuple[float, Fraction]]:
    """Since when, at whole minutes, which budget is in force in a window; the first revision reaches back for ever."""
    before = [r for r in revisions if r.since <= start]
    first = before[-1] if before else revisions[0]
    later = [r for r in revisions if r is not first and start < r.since < end]
    return [(start, first.budget), *((start_of(r.since, MINUTES.width), r.budget) for r in later)]
