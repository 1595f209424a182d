from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.remote_write.encode import LATEST_MS, Request, SeriesTable
from core.labels import make
from storage.series import dictionary
from storage.series.block import Definitions
from storage.series.stale import STALE_BITS
from tests.collector.remote_write.wire import bits_of, decode

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
SERIES = st.lists(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=8).map(make), min_size=1, max_size=8, unique=True)
WORDS = st.integers(0, 2**64 - 1)
TIMES = st.integers(0, LATEST_MS - 1)


def table_of(series, external=None, refs=None):
    made = SeriesTable(external or {})
    numbers = range(len(series)) if refs is None else refs
    made.define(Definitions(np.array(list(numbers), np.uint32), dictionary.build(series)))
    return made


def request(slots, times, bits):
    return Request(np.array(slots, np.int64), np.array(times, np.int64), np.array(bits, np.uint64))


@given(st.data())
def test_what_is_decoded_is_what_was_encoded(data):
    series = data.draw(SERIES)
    rows = data.draw(st.lists(st.tuples(st.integers(0, len(series) - 1), TIMES, WORDS), min_size=1, max_size=20))
    found = decode(table_of(series).encode(request(*zip(*rows, strict=True))))
    assert [(one.labels, one.time_ms) for one in found] == [(series[slot], time) for slot, time, _ in rows]
    # A signalling NaN stays one only where it is moved as bits; Google's decoder does so.
    assert [one.bits for one in found] == [bits for _, _, bits in rows]


@pytest.mark.parametrize("bits", [STALE_BITS, bits_of(float("nan")), bits_of(-0.0), bits_of(float("inf")), 0])
def test_values_keep_their_bits(bits):
    series = [make({"__name__": "up"})]
    (found,) = decode(table_of(series).encode(request([0], [1_700_000_000_123], [bits])))
    assert found == (series[0], 1_700_000_000_123, bits)


def test_external_labels_are_added_in_order_and_a_series_own_stay():
    series = [make({"__name__": "up", "job": "a"}), make({"__name__": "up", "cluster": "own", "zone": "z"})]
    made = table_of(series, {"cluster": "east", "replica": "0"})
    one, other = decode(made.encode(request([0, 1], [1, 1], [0, 0])))
    assert dict(one.labels) == {"__name__": "up", "cluster": "east", "job": "a", "replica": "0"}
    assert dict(other.labels) == {"__name__": "up", "cluster": "own", "replica": "0", "zone": "z"}


def test_references_are_found_and_unknown_ones_told():
    made = table_of([make({"__name__": "a"}), make({"__name__": "b"})], refs=[7, 3])
    assert made.slots(np.array([3, 7, 5, 9, 4_000_000_000], np.uint32)).tolist() == [1, 0, -1, -1, -1]
    assert SeriesTable({}).slots(np.array([0, 1], np.uint32)).tolist() == [-1, -1]


def test_a_later_block_of_the_segment_may_define_more_and_lower_references():
    made = table_of([make({"__name__": "a"})], refs=[9])
    made.define(Definitions(np.array([2, 4000], np.uint32), dictionary.build([make({"__name__": x}) for x in "bc"])))
    assert made.slots(np.array([9, 2, 4000, 3], np.uint32)).tolist() == [0, 1, 2, -1]


def test_the_checksum_of_a_series_is_that_of_its_labels_not_of_its_reference():
    one = table_of([make({"__name__": "a"}), make({"__name__": "b"})])
    other = table_of([make({"__name__": "b"}), make({"__name__": "a"})], refs=[50, 60])
    assert one.checksums(np.array([0, 1])).tolist() == other.checksums(np.array([1, 0])).tolist()
