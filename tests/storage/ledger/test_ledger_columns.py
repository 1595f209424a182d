"""Contents as arrays against contents as dictionaries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.ledger import cells, columns

MOST = 2**63 - 1
keys = st.tuples(st.integers(1, 2**31 - 1) | st.integers(1, 5), st.integers(0, 2**16 - 1) | st.integers(0, 3))
contents = st.dictionaries(keys, st.integers(1, 100) | st.integers(1, MOST), max_size=12)


def clipped(found: cells.Cells) -> cells.Cells:
    return {key: min(n, MOST) for key, n in found.items() if n}


@given(contents)
def test_a_blob_reads_the_same_both_ways(content: cells.Cells) -> None:
    blob = cells.encode(content)
    found = columns.decode(blob)
    assert found.as_cells() == cells.decode(blob)
    assert columns.encode(found) == blob
    assert columns.from_cells(content).as_cells() == content


@given(st.lists(contents, max_size=6))
def test_a_sum_is_that_of_every_cell_and_stops_at_the_largest(parts: list[cells.Cells]) -> None:
    expected = clipped(cells.total(parts))
    blobs = [cells.encode(part) for part in parts]
    assert columns.total([columns.decode(blob) for blob in blobs]).as_cells() == expected
    assert columns.total_of_blobs(blobs).as_cells() == expected
