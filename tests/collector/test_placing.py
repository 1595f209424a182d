from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.placing import Span
from core.buckets import TIERS, start_of
from core.durations import DAY, HOUR

NOW = 1_700_000_000.0
AGES = st.integers(0, 10 * DAY * 1000).map(lambda ms: ms / 1000) | st.integers(0, 200_000).map(lambda ms: ms / 1000)


@settings(deadline=None)  # ten days in minutes are many rows
@given(AGES, AGES, st.integers(0, 10**12))
def test_a_span_gives_all_of_it_to_rows_that_its_age_still_has(one: float, other: float, n: int) -> None:
    begin, end = NOW - max(one, other), NOW - min(one, other)
    placed = Counter[int]()
    for (width, bucket), part in Span(begin, end, NOW).place(n):
        assert bucket % width == 0
        assert width in {tier.width for tier in TIERS}
        assert bucket < end
        assert bucket + width >= begin
        placed[width] += part
    assert placed.total() == n


@given(st.integers(0, 40 * HOUR), st.integers(0, 59_000), st.integers(1, 10**9))
def test_a_span_within_one_bucket_is_one_row(ago: int, length: int, n: int) -> None:
    bucket = start_of(NOW, 60) - ago // 60 * 60
    span = Span(bucket + 0.5, bucket + 0.5 + length / 1000, NOW)
    assert list(span.place(n)) == [((60, bucket), n)]


@settings(deadline=None)
@given(AGES, st.integers(0, 2 * DAY * 1000), st.lists(st.integers(0, 10**6) | st.integers(0, 2**62), max_size=4))
def test_many_counts_are_placed_as_each_of_them_alone(ago: float, length_ms: int, counts: list[int]) -> None:
    span = Span(NOW - ago - length_ms / 1000, NOW - ago, NOW)
    alone = Counter[tuple[int, int, int]]()
    for index, n in enumerate(counts):
        for key, part in span.place(n):
            alone[(*key, index)] += part
    together = Counter[tuple[int, int, int]]()
    for key, parts in span.place_all(np.array(counts, np.int64)):
        for index, part in enumerate(parts.tolist()):
            together[(*key, index)] += part
    assert +together == +alone
