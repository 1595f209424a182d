"""Whatever goes in comes out with the same bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.series import codec, columns
from storage.series.stale import STALE_BITS

WORDS = st.integers(0, 2**64 - 1)
SPECIAL = [math.nan, math.inf, -math.inf, -0.0, 0.0, 2.0**53, 2.0**53 + 2, -(2.0**63), 1e308, -1e308, 5e-324, 0.1 + 0.2]
VALUES = st.one_of(
    st.sampled_from(SPECIAL),
    st.integers(-(2**60), 2**60).map(float),
    st.integers(-(10**6), 10**6).map(lambda cents: cents / 100),
    st.floats(),
)
BITS = st.one_of(VALUES.map(lambda value: int(np.float64(value).view(np.uint64))), WORDS, st.just(STALE_BITS))
RUNS = st.lists(st.lists(BITS, min_size=1, max_size=40), min_size=1, max_size=6)


def flat(runs, dtype):
    return np.array([one for run in runs for one in run], dtype), np.array([len(run) for run in runs])


@given(RUNS)
def test_values_of_any_bits_survive(runs):
    bits, counts = flat(runs, np.uint64)
    assert codec.decode_values(codec.encode_values(bits, counts), counts).tolist() == bits.tolist()


@given(st.lists(st.lists(st.integers(0, 2**53), min_size=1, max_size=40).map(sorted), min_size=1, max_size=6))
def test_irregular_and_repeated_times_survive(runs):
    times, counts = flat(runs, np.int64)
    assert codec.decode_times(codec.encode_times(times, counts), counts).tolist() == times.tolist()


@given(st.lists(WORDS, max_size=50))
def test_byte_planes_give_the_words_back(words):
    array = np.array(words, np.uint64)
    assert columns.from_planes(columns.to_planes(array), len(array)).tolist() == words


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_zigzag_has_an_inverse_and_keeps_small_numbers_small(numbers):
    array = np.array(numbers, np.int64)
    assert columns.unzigzag(columns.zigzag(array)).tolist() == numbers
    small = np.array([0, -1, 1, -2, 2], np.int64)
    assert columns.zigzag(small).tolist() == [0, 1, 2, 3, 4]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([np.uint8, np.uint32, np.int64, np.uint64]), st.lists(st.integers(0, 255), max_size=9)
        ),
        max_size=5,
    )
)
def test_packed_columns_keep_types_and_contents(parts):
    arrays = [np.array(numbers, dtype) for dtype, numbers in parts]
    found = columns.unpack(columns.pack(*arrays))
    assert [(one.dtype, one.tolist()) for one in found] == [(one.dtype, one.tolist()) for one in arrays]


def fleet(kind, series=40, samples=480):
    """Series like those of a fleet: counters, gauges with two decimals, or sums that rarely move."""
    rng = np.random.default_rng(7)
    shape = (series, samples)
    if kind == "counters":
        return np.cumsum(rng.poisson(rng.uniform(1, 200, (series, 1)), shape), axis=1).astype(float)
    if kind == "gauges":
        return np.round(np.cumsum(rng.normal(0, 1, shape), axis=1) * rng.uniform(0.1, 5, (series, 1)) + 50, 2)
    return np.cumsum(np.where(rng.random(shape) < 0.3, rng.exponential(1, shape), 0), axis=1)


@pytest.mark.parametrize(("kind", "most"), [("counters", 1.2), ("gauges", 2.0), ("sums", 3.6)])
def test_a_sample_takes_few_bytes(kind, most):
    values = fleet(kind)
    counts = np.full(len(values), values.shape[1])
    assert len(codec.encode_values(values.ravel().view(np.uint64), counts)) / values.size < most


def test_a_stale_marker_does_not_spoil_a_counter():
    values = fleet("counters")
    counts = np.full(len(values), values.shape[1])
    plain = len(codec.encode_values(values.ravel().view(np.uint64), counts))
    bits = values.view(np.uint64).copy()
    bits[:, -1] = STALE_BITS
    encoded = codec.encode_values(bits.ravel(), counts)
    assert len(encoded) < 1.1 * plain
    assert (codec.decode_values(encoded, counts) == bits.ravel()).all()


def test_times_that_drift_by_milliseconds_take_under_two_bytes():
    times = np.arange(480) * 15_000 + np.random.default_rng(3).integers(0, 20, 480)
    assert len(codec.encode_times(times, np.array([480]))) / 480 < 2
