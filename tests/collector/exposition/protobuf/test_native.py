"""The arithmetic of native histograms: every observation is in the cell that holds it, and cells add up."""

from __future__ import annotations

from itertools import pairwise
from math import inf, log2, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.exposition import PageReader
from collector.exposition.protobuf.native import ANYTHING, FINEST, SECONDS, Grid, bounds_of
from core.histogram import Bounds, cell_of, coarsen, decumulate
from tests.collector.exposition.protobuf.made import HISTOGRAM, MEDIA, family, native, page

SCHEMAS = st.integers(-4, 8)
ALL = bounds_of(Grid(1, 0, SECONDS))


def apart(value: float) -> bool:
    """Whether a value is well away from every bound of the finest schema: beside one, its own rounding decides."""
    return abs(log2(value) * 256 - round(log2(value) * 256)) > 1e-6


VALUES = st.floats(1e-5, 1e5).filter(apart) | st.integers(-20, 20).map(lambda power: 2.0**power)
MANY = st.lists(VALUES, max_size=20)


def read(
    values: list[float], schema: int, zero_threshold: float = 2.0**-128, **more: object
) -> tuple[Bounds, list[int]]:
    """Bounds and cumulative counts as the page reader gives them."""
    body = page(family("x_seconds", HISTOGRAM, ({}, native(values, schema, zero_threshold, **more))))
    reading = PageReader().read(body, MEDIA)
    found = {
        dict(one.labels)["le"]: int(value)
        for one, value in zip(reading.series, reading.values, strict=True)
        if one.name == "x_seconds_bucket"
    }
    *bounds, last = found
    assert last == "+Inf"
    return tuple(map(float, bounds)), list(found.values())


@given(VALUES, SCHEMAS)
def test_an_observation_is_in_the_cell_that_holds_it(value: float, schema: int) -> None:
    bounds, counts = read([value], schema)
    assert decumulate(counts) == [int(cell == cell_of(bounds, value)) for cell in range(len(bounds) + 1)]


@given(VALUES, SCHEMAS, VALUES)
def test_also_with_a_zero_bucket_of_any_breadth(value: float, schema: int, threshold: float) -> None:
    bounds, counts = read([value], schema, threshold)
    assert all(bound >= threshold * (1 - 1e-9) for bound in bounds)
    assert decumulate(counts)[cell_of(bounds, value)] == sum(decumulate(counts)) == 1


@given(MANY, MANY, SCHEMAS)
def test_counts_of_two_histograms_add_up_to_those_of_both(left: list[float], right: list[float], schema: int) -> None:
    (bounds, some), (same, others), (_, both) = read(left, schema), read(right, schema), read(left + right, schema)
    assert bounds == same
    assert [a + b for a, b in zip(some, others, strict=True)] == both


@given(MANY, SCHEMAS, SCHEMAS)
def test_a_finer_schema_says_the_same_at_the_bounds_of_a_coarser_one(values: list[float], one: int, other: int) -> None:
    coarse, fine = sorted((one, other))
    (bounds, counts), (more, finer) = read(values, coarse), read(values, fine)
    assert set(bounds) <= set(more) <= set(ALL)
    assert coarsen(more, decumulate(finer), bounds) == decumulate(counts)


@given(MANY, st.integers(FINEST, 8))
def test_all_schemas_that_are_fine_enough_have_the_same_bounds(values: list[float], schema: int) -> None:
    assert read(values, schema) == read(values, FINEST)
    assert read(values, schema)[0] == ALL


@given(st.lists(st.floats(-1e5, 1e5), max_size=10), SCHEMAS)
def test_what_is_at_or_below_zero_is_in_the_first_cell_and_none_is_lost(values: list[float], schema: int) -> None:
    _, counts = read(values, schema, 1e-12)
    assert counts[0] >= sum(value <= 0 for value in values)
    assert counts[-1] == len(values)


def test_the_fixed_bounds_are_rising_powers_of_two_and_at_most_a_tenth_apart() -> None:
    for of, lowest, highest in ((SECONDS, 2.0**-10, 4096.0), (ANYTHING, 2.0**-10, 2.0**22)):
        bounds = bounds_of(Grid(1, 0, of))
        assert (bounds[0], bounds[-1]) == (lowest, highest)
        assert {0.25, 0.5, 1.0, 2.0, 4.0} < set(bounds)
        assert all(1.09 < high / low < 1.091 for low, high in pairwise(bounds))


def test_an_observation_that_is_no_number_counts_above_all_bounds() -> None:
    _, counts = read([0.3], 3, sample_count=2, sample_sum=nan)
    assert counts[-2:] == [1, 2]


def test_infinity_counts_above_all_bounds() -> None:
    more = {"positive_span": [{"offset": 1024 * 8 + 1, "length": 1}], "positive_delta": [1]}
    _, counts = read([], 3, sample_count=1, sample_sum=inf, **more)
    assert counts[-2:] == [0, 1]


def test_float_counts_are_read_as_they_are() -> None:
    more = {
        "positive_delta": [],
        "positive_span": [{"offset": 0, "length": 2}, {"offset": 3, "length": 1}],
        "positive_count": [1.5, 2.0, 4.0],
        "zero_count_float": 0.5,
        "sample_count_float": 8.0,
    }
    bounds, counts = read([], 0, **more)
    at = dict(zip(bounds, counts, strict=False))
    assert (at[0.5], at[1.0], at[2.0], at[16.0], at[32.0], counts[-1]) == (0, 2, 4, 4, 8, 8)


@pytest.mark.parametrize(("threshold", "lowest"), [(0.0, 2.0**-10), (1e-3, 0.00106495), (0.25, 0.25), (0.26, 0.272627)])
def test_below_its_zero_bucket_a_histogram_has_no_bounds(threshold: float, lowest: float) -> None:
    assert read([], 3, threshold, positive_span=[{"offset": 0, "length": 0}])[0][0] == pytest.approx(lowest, 1e-5)
