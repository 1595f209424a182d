"""The arithmetic of composites: exact sums, and what is not known is never good."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from slo_engine.book import Counts
from slo_engine.burn import Spent
from slo_engine.composites.mix import Share, added, mix
from slo_engine.specs.model import Component

WEIGHTS = st.fractions(Fraction(1, 100), 100, max_denominator=1000)
BUDGETS = st.fractions(Fraction(1, 10_000), Fraction(1, 2), max_denominator=10_000)


def spent(bad: int, total: int, budget: Fraction, covered: int = 60, expected: int = 60) -> Spent:
    return Spent(Counts(bad, total, expected, covered, 0), bad, budget * total)


@st.composite
def shares(draw: st.DrawFn) -> Share:
    total = draw(st.integers(1, 10**9))
    part = Component("one", draw(WEIGHTS), Fraction(99, 100))
    return Share(part, spent(draw(st.integers(0, total)), total, draw(BUDGETS)))


@given(st.lists(shares(), min_size=1, max_size=6))
def test_the_burn_rate_is_the_exact_sum_of_the_components_burn_rates_times_their_weights(found: list[Share]) -> None:
    whole = mix(found)
    wanted = Fraction(0)
    for share in found:
        assert share.spent is not None
        wanted += share.part.weight * Fraction(share.spent.bad) / share.spent.allowed
    assert Fraction(whole.bad) / whole.allowed == wanted


@given(st.lists(shares(), min_size=1, max_size=5), shares())
def test_another_component_never_makes_it_burn_slower(found: list[Share], more: Share) -> None:
    one, both = mix(found), mix([*found, more])
    assert Fraction(both.bad) / both.allowed >= Fraction(one.bad) / one.allowed


@given(shares())
def test_a_component_alone_with_weight_one_is_the_composite(share: Share) -> None:
    share = share._replace(part=Component("one", Fraction(1), Fraction(0)))
    whole = mix([share])
    assert share.spent is not None
    assert (whole.rate, whole.remaining) == (share.spent.rate, share.spent.remaining)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(1000, 10**6)), min_size=1, max_size=5), BUDGETS)
def test_groups_of_one_component_add_up_as_one(groups: list[tuple[int, int]], budget: Fraction) -> None:
    whole = added(spent(bad, total, budget) for bad, total in groups)
    bad, total = sum(bad for bad, _ in groups), sum(total for _, total in groups)
    assert whole is not None
    assert (whole.bad, whole.allowed, whole.counts.total) == (bad, budget * total, total)


def test_without_events_nothing_is_said() -> None:
    whole = mix([Share(Component("one", Fraction(1), Fraction(0)), spent(0, 0, Fraction(1, 100)))])
    assert (whole.rate, whole.remaining, whole.unknown) == (None, None, ())


def test_a_component_that_was_never_counted_or_is_blind_is_unknown() -> None:
    part, other = Component("never", Fraction(1), Fraction(0)), Component("blind", Fraction(1), Fraction(0))
    whole = mix([Share(part, None), Share(other, spent(0, 0, Fraction(1, 100), covered=20))])
    assert whole.unknown == ("never", "blind")
    assert whole.counts == Counts()


def test_the_coverage_is_that_of_the_component_that_is_seen_least() -> None:
    part, other = Component("a", Fraction(1), Fraction(0)), Component("b", Fraction(1), Fraction(0))
    whole = mix([Share(part, spent(0, 9, Fraction(1, 2), covered=60)), Share(other, spent(0, 9, Fraction(1, 2), 45))])
    assert whole.counts.coverage == 0.75
