from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.buckets import (
    FIVE_MINUTES,
    HOURS,
    MINUTES,
    TIERS,
    end_of_window,
    spread,
    start_of,
    tier_of_age,
    tier_of_window,
)
from core.durations import DAY, HOUR

counts = st.integers(0, 10**12)
times = st.integers(0, 2 * HOUR * 1000)
widths = st.sampled_from([tier.width for tier in TIERS])


@given(counts, times, times, widths)
def test_the_parts_of_a_span_are_whole_and_sum_to_the_count(n: int, begin: int, end: int, width: int) -> None:
    parts = list(spread(n, begin, end, width))
    assert sum(part for _, part in parts) == n
    assert all(isinstance(part, int) and part >= 0 for _, part in parts)
    assert all(bucket % width == 0 for bucket, _ in parts)
    assert len({bucket for bucket, _ in parts}) == len(parts)


@given(counts, times, times.filter(bool), widths)
def test_a_part_is_the_difference_of_floors_of_the_elapsed_share(n: int, begin: int, length: int, width: int) -> None:
    end = begin + length
    for bucket, part in spread(n, begin, end, width):
        low, high = (min(max(edge * 1000, begin), end) for edge in (bucket, bucket + width))
        assert part == n * (high - begin) // length - n * (low - begin) // length
        assert high > low


@given(counts, times, times)
def test_minutes_add_up_to_what_the_wider_buckets_get(n: int, begin: int, length: int) -> None:
    minutes = list(spread(n, begin, begin + length, 60))
    for width in (300, 3600):
        sums: Counter[int] = Counter()
        for bucket, part in minutes:
            sums[bucket // width * width] += part
        assert {b: p for b, p in sums.items() if p} == {b: p for b, p in spread(n, begin, begin + length, width) if p}


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), times, times)
def test_the_order_of_cells_does_not_matter_since_each_is_spread_by_itself(
    cells: list[int], begin: int, length: int
) -> None:
    apart = Counter[int]()
    for n in cells:
        apart.update(dict(spread(n, begin, begin + length, 60)))
    whole = dict(spread(sum(cells), begin, begin + length, 60))
    assert sum(apart.values()) == sum(whole.values())
    assert all(abs(apart[b] - whole.get(b, 0)) <= len(cells) for b in {*apart, *whole})


def test_time_is_spread_to_the_millisecond() -> None:
    assert list(spread(75_000, 15_000, 90_000, 60)) == [(0, 45_000), (60, 30_000)]


@pytest.mark.parametrize(("at", "bucket"), [(60_000, 0), (60_001, 60), (1, 0), (119_999, 60)])
def test_a_moment_belongs_to_the_bucket_that_it_closes(at: int, bucket: int) -> None:
    assert list(spread(5, at, at, 60)) == [(bucket, 5)]
    assert list(spread(5, at + 1, at, 60)) == [(bucket, 5)]
    assert list(spread(5, at - 1, at, 60)) == [(bucket, 5)]


@pytest.mark.parametrize(
    ("seconds", "tier"),
    [(1, MINUTES), (6 * HOUR, MINUTES), (6 * HOUR + 1, FIVE_MINUTES), (3 * DAY, FIVE_MINUTES), (30 * DAY, HOURS)],
)
def test_a_window_is_read_from_the_finest_tier_that_is_meant_for_it(seconds: int, tier: object) -> None:
    assert tier_of_window(seconds) is tier


@pytest.mark.parametrize(
    ("age", "tier"),
    [(-5, MINUTES), (48 * HOUR - 1, MINUTES), (48 * HOUR, FIVE_MINUTES), (7 * DAY, HOURS), (1000 * DAY, HOURS)],
)
def test_a_bucket_goes_to_the_finest_tier_that_its_age_still_has(age: int, tier: object) -> None:
    assert tier_of_age(0, age) is tier


def test_wider_tiers_nest_the_narrower_and_are_kept_longer() -> None:
    for fine, coarse in pairwise(TIERS):
        assert coarse.width % fine.width == 0
        assert coarse.retention > fine.retention >= fine.longest_window


@given(st.floats(0, 4e9), widths)
def test_a_time_lies_within_its_bucket_and_a_window_ends_at_an_edge_not_before_it(time: float, width: int) -> None:
    assert start_of(time, width) <= time < start_of(time, width) + width
    end = end_of_window(time, width)
    assert end % width == 0
    assert end - width < time <= end
