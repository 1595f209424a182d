"""What a composite spends: the burn rates of its components, each times its weight, added up exactly.

A component burns at bad ÷ allowed. The composite burns at Σ weight × bad ÷ allowed, so that a component which uses up
its budget `1 ÷ weight` times uses up that of the composite. Every summand is 0 or more: what is not known of one
component can only make the sum larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import NamedTuple

from slo_engine.book import Counts
from slo_engine.burn import Spent
from slo_engine.specs.model import Component
from slo_engine.status import BLIND


class Share(NamedTuple):
    """What one component spent in a window; None where nothing was ever counted for it.

    `events`: whether what it counts comes one by one.
    """

    part: Component
    spent: Spent | None
    events: bool = True

    @property
    def unknown(self) -> bool:
        """Whether nothing can be said: nothing was counted, and less than half of its target-time was seen."""
        if self.spent is None:
            return True
        coverage = self.spent.counts.coverage
        return not self.spent.counts.total and (coverage is None or coverage < BLIND)

    @property
    def burn(self) -> Fraction | None:
        """Its own burn rate; None without events."""
        spent = self.spent
        return Fraction(spent.bad) / spent.allowed if spent is not None and spent.allowed else None


@dataclass(frozen=True)
class Mixed(Spent):
    """One window of a composite. `bad` ÷ `allowed` is its burn rate in lowest terms, and neither counts events.

    `counts` has the target-time of the component that is seen least, and all components' events as its total; it
    is empty where a component is unknown.
    """

    shares: tuple[Share, ...]

    @property
    def known(self) -> bool:
        """Whether it can be said of every component when within the window its events happened."""
        return all(share.spent is None or share.spent.known for share in self.shares)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The components of which nothing can be said."""
        return tuple(share.part.slo for share in self.shares if share.unknown)

    @property
    def bad_events(self) -> int | None:
        """Bad events of all components; None where one is bad that counts no events, but time or money."""
        bad = [(share.spent.bad, share.events) for share in self.shares if share.spent is not None]
        return None if any(n and not events for n, events in bad) else sum(n for n, _ in bad)


def mix(shares: Sequence[Share]) -> Mixed:
    """The composite's window out of those of its components."""
    burns = [share.part.weight * share.burn for share in shares if share.burn is not None]
    rate = sum(burns, Fraction(0))
    allowed = Fraction(rate.denominator) if burns else Fraction(0)
    return Mixed(_counts(shares), rate.numerator, allowed, tuple(shares))


def added(spents: Iterable[Spent]) -> Spent | None:
    """Several groups of one component as one; None without any."""
    return reduce(_plus, spents, None)


def _plus(one: Spent | None, other: Spent) -> Spent:
    if one is None:
        return other
    return Spent(one.counts.plus(other.counts), one.bad + other.bad, one.allowed + other.allowed)


def _counts(shares: Sequence[Share]) -> Counts:
    counts = [share.spent.counts for share in shares if share.spent is not None]
    if not counts or any(share.unknown for share in shares):
        return Counts()
    least = min(counts, key=lambda one: -1.0 if one.coverage is None else one.coverage)
    return least._replace(part=0, total=sum(one.total for one in counts))
