from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.histogram import at_or_below, cell_of, cells_at_or_below, coarsen, common_bounds, decumulate, quantile

bounds = st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True).map(lambda b: tuple(map(float, sorted(b))))
values = st.lists(st.integers(-60, 60).map(float), max_size=60)


def cells(of: tuple[float, ...], seen: list[float]) -> list[int]:
    result = [0] * (len(of) + 1)
    for value in seen:
        result[cell_of(of, value)] += 1
    return result


@given(bounds, values, st.integers(-60, 60).map(float))
def test_what_is_certain_is_at_or_below_and_with_the_unknown_nothing_is_missed(
    of: tuple[float, ...], seen: list[float], threshold: float
) -> None:
    truth = sum(value <= threshold for value in seen)
    found = at_or_below(of, cells(of, seen), threshold)
    assert found.certain <= truth <= found.certain + found.unknown
    if threshold in of:
        assert (found.certain, found.unknown, found.bound) == (truth, 0, threshold)
    else:
        assert found.bound == max((b for b in of if b < threshold), default=None)
        assert found.certain == sum(value <= found.bound for value in seen if found.bound is not None)


@pytest.mark.parametrize(("value", "cell"), [(0.05, 0), (0.1, 0), (0.11, 1), (1.0, 1), (1.01, 2)])
def test_a_bound_closes_its_cell(value: float, cell: int) -> None:
    assert cell_of((0.1, 1.0), value) == cell


def test_cells_wholly_at_or_below_a_threshold_are_those_of_the_bounds_up_to_it() -> None:
    assert [cells_at_or_below((1.0, 2.0), t) for t in (0.5, 1.0, 1.5, 2.0, 9.0)] == [0, 1, 1, 2, 2]


@given(st.lists(st.integers(0, 100), max_size=20))
def test_cells_of_cumulative_counts_are_their_differences(counts: list[int]) -> None:
    assert decumulate(list(accumulate(counts))) == counts


@given(bounds, bounds, values)
def test_histograms_over_their_common_bounds_say_the_same_of_the_same_values(
    left: tuple[float, ...], right: tuple[float, ...], seen: list[float]
) -> None:
    common = common_bounds(left, right)
    assert set(common) == set(left) & set(right)
    assert coarsen(left, cells(left, seen), common) == coarsen(right, cells(right, seen), common) == cells(common, seen)


def test_a_quantile_is_prometheuss_linear_estimate() -> None:
    of, counts = (1.0, 2.0, 4.0), [10, 20, 10, 0]
    assert quantile(0.5, of, counts) == 1.5
    assert quantile(0.125, of, counts) == 0.5
    assert quantile(1.0, of, counts) == 4.0
    assert quantile(0.99, (1.0,), [1, 99]) == 1.0
    assert quantile(0.5, (-2.0, 1.0), [3, 0, 0]) == -2.0


def test_a_quantile_of_nothing_is_none() -> None:
    assert quantile(0.5, (1.0,), [0, 0]) is None
    assert quantile(0.5, (), [5]) is None


@given(bounds, values.filter(bool), st.floats(0, 1), st.floats(0, 1))
def test_a_quantile_rises_with_its_rank(of: tuple[float, ...], seen: list[float], one: float, other: float) -> None:
    low, high = (quantile(q, of, cells(of, seen)) for q in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low <= high <= of[-1]
