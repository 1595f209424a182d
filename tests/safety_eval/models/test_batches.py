from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from safety_eval.models.batches import by_length, windows


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 600))
def test_every_text_is_in_one_batch_and_no_batch_is_over_budget(lengths: list[int], budget: int) -> None:
    found = by_length(lengths, budget)
    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[p] for p in batch) <= budget for batch in found)


@given(st.integers(0, 5000), st.integers(2, 600), st.data())
def test_windows_cover_all_and_overlap(length: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    found = windows(length, size, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(0 <= begin <= end and end - begin <= size for begin, end in found)
    assert all(after[0] <= before[1] - overlap for before, after in itertools.pairwise(found))
    assert len(set(found)) == len(found)
