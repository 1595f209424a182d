from __future__ import annotations

import math
import struct

import numpy as np

from storage.series import STALE, is_stale


def test_the_marker_has_the_bits_of_prometheus():
    assert struct.pack("<d", STALE) == struct.pack("<Q", 0x7FF0000000000002)


def test_only_the_marker_is_stale():
    values = np.array([1.0, math.nan, STALE, math.inf])
    assert is_stale(values).tolist() == [False, False, True, False]


def test_the_marker_survives_the_store_and_its_compaction(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    writer.add(store.start_ms, [ref], [STALE])
    writer.add(store.start_ms + 1, [ref], [math.nan])
    writer.add_stale(store.start_ms + 2, [ref])
    writer.flush()
    expected = [(store.start_ms, 0x7FF0000000000002), (store.start_ms + 1, store.bits(math.nan))]
    expected.append((store.start_ms + 2, 0x7FF0000000000002))
    assert store.read() == {store.series("up"): expected}
    store.close(writer)
    store.compact()
    assert store.read() == {store.series("up"): expected}


def test_readers_can_drop_markers(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    writer.add(store.start_ms, [ref], [1.0])
    writer.add_stale(store.start_ms + 15_000, [ref])
    writer.flush()
    (data,) = store.select("up")
    assert data.without_stale().times.tolist() == [store.start_ms]
    assert data.without_stale().values.tolist() == [1.0]
