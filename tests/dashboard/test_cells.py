"""What cells say, and between what the truth lies."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from dashboard.cells import Range, mean_range, merged, quantile_range

BOUNDS = (0.0, 1.0, 2.0, 5.0, 10.0)
VALUES = st.lists(st.integers(min_value=0, max_value=14), min_size=1, max_size=60)


def _cells(values: list[int]) -> list[int]:
    cells = [0] * (len(BOUNDS) + 1)
    for value in values:
        cells[bisect_left(BOUNDS, value)] += 1
    return cells


@given(VALUES, st.floats(min_value=0.01, max_value=0.99))
def test_the_range_of_a_quantile_holds_the_value_of_its_rank(values: list[int], q: float) -> None:
    found = quantile_range(q, {BOUNDS: _cells(values)})
    assert found is not None
    rank = next(n for n in range(1, len(values) + 1) if n >= q * len(values))
    truth = sorted(values)[rank - 1]
    assert found.low <= truth
    assert found.high is None or truth <= found.high
    assert found.low <= found.value


@given(VALUES)
def test_the_range_of_a_mean_holds_the_mean(values: list[int]) -> None:
    found = mean_range({BOUNDS: _cells(values)})
    assert found is not None
    mean = sum(values) / len(values)
    assert found.low <= mean + 1e-9
    assert found.high is None or mean <= found.high + 1e-9


def test_whole_numbers_have_an_exact_mean_where_every_number_has_a_cell() -> None:
    assert mean_range({BOUNDS: [0, 2, 2, 0, 0, 0]}, step=1.0) == Range(1.5, 1.5, 1.5)


def test_a_value_above_every_bound_has_no_bound() -> None:
    assert quantile_range(0.99, {BOUNDS: [0, 0, 0, 0, 0, 7]}) == Range(10.0, 10.0, None)
    assert mean_range({BOUNDS: [0, 0, 0, 0, 0, 7]}) == Range(10.0, 10.0, None)


def test_nothing_has_no_range() -> None:
    assert quantile_range(0.5, {}) is None
    assert mean_range({BOUNDS: [0] * 6}) is None


def test_different_bounds_are_added_where_they_coincide() -> None:
    assert merged({(1.0, 2.0): [1, 2, 3], (2.0, 4.0): [10, 20, 30]}) == ((2.0,), [13, 53])
