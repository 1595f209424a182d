"""A budget's way through its window."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from dashboard.objective.budget import InForce, buckets, burn_down, evenly, in_force, left
from dashboard.objective.sli import Counted, Description

_TERMS = {"measures": ["requests"], "where": "", "layer": None}
SLI = Description.model_validate(
    {
        "kind": "events",
        "by": [],
        "part_is_good": True,
        "unit": 1.0,
        "part": _TERMS,
        "total": _TERMS,
        "coverage": {"signal": "requests", "layer": None, "of": [""]},
    }
)
HUNDREDTH = Fraction(1, 100)


def _counted(*rows: tuple[int, int, int, int]) -> Counted:
    """Rows: good, total, expected and covered milliseconds, of one minute after the other."""
    return Counted(np.arange(len(rows), dtype=np.int64) * 60, np.array(rows, np.int64).reshape(-1, 4))


def test_the_budget_goes_down_by_what_was_bad_and_ends_where_the_engine_stands() -> None:
    found = burn_down(
        SLI, _counted((100, 100, 1, 1), (99, 100, 1, 1), (97, 100, 1, 1)), [60, 120, 180], [InForce(0, HUNDREDTH)]
    )
    whole = found[-1]
    assert (whole.bad, whole.allowed, whole.total) == (4, 3, 300)
    assert [left(one, whole) for one in found] == [1.0, 2 / 3, float(Fraction(-1, 3))]
    assert [evenly(one, whole) for one in found] == [2 / 3, 1 / 3, 0.0]


def test_each_part_is_allowed_what_was_in_force_then() -> None:
    revisions = [InForce(30, HUNDREDTH), InForce(100, Fraction(1, 10))]
    assert [in_force(revisions, time) for time in (0, 59, 60, 500)] == [
        HUNDREDTH,
        HUNDREDTH,
        Fraction(1, 10),
        Fraction(1, 10),
    ]
    found = burn_down(SLI, _counted((0, 100, 1, 1), (0, 100, 1, 1)), [60, 120], revisions)
    assert found[-1].allowed == 1 + 10


def test_a_bucket_in_which_the_objective_changed_is_cut_where_its_finer_counts_are_known() -> None:
    hour = Counted(np.zeros(1, np.int64), np.array([[0, 100, 1, 1]]))
    revisions = [InForce(0, HUNDREDTH), InForce(600, Fraction(1, 10)), InForce(1200, Fraction(1, 2))]
    cut = burn_down(SLI, hour, [3600], revisions, {600: 60, 1200: 20})
    assert cut[-1].allowed == HUNDREDTH * 40 + Fraction(1, 10) * 40 + Fraction(1, 2) * 20
    assert burn_down(SLI, hour, [3600], revisions)[-1].allowed == 1


def test_buckets_without_events_have_no_share_and_without_targets_no_coverage() -> None:
    first, second = buckets(SLI, _counted((0, 0, 0, 0), (9, 10, 60, 30)), [InForce(0, HUNDREDTH)])
    assert (first.share, first.coverage) == (None, None)
    assert (second.share, second.bad, second.coverage) == (0.1, 1, 0.5)


@given(some.lists(some.tuples(some.integers(0, 100), some.integers(0, 100)), min_size=1, max_size=20))
def test_running_sums_never_shrink_and_end_at_the_whole(pairs: list[tuple[int, int]]) -> None:
    rows = [(good, good + bad, 1, 1) for good, bad in pairs]
    found = burn_down(SLI, _counted(*rows), [60 * n for n in range(len(rows))], [InForce(0, HUNDREDTH)])
    assert found[-1].bad == sum(bad for _, bad in pairs)
    assert found[-1].allowed == HUNDREDTH * sum(map(sum, pairs))
    assert all(a.bad <= b.bad and a.allowed <= b.allowed for a, b in pairwise(found))
    if found[-1].allowed:
        shares = [left(one, found[-1]) for one in found]
        assert shares == sorted(shares, key=lambda share: -(share or 0.0))
