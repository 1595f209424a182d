from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collector.remote_write.cut import cut
from collector.remote_write.encode import LATEST_MS, SeriesTable
from core.labels import make
from storage.series import dictionary
from storage.series.block import Definitions, Rows
from tests.collector.remote_write.wire import decode

SCRAPES = st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=12)


def rows_of(scrapes, start=1000):
    """Scrape i has the given references at `start + i`; each value is its place."""
    refs = [ref for scrape in scrapes for ref in scrape]
    ends = np.cumsum([len(scrape) for scrape in scrapes])
    times = np.arange(start, start + len(scrapes))
    return Rows(times, ends, np.array(refs, np.uint32), np.arange(len(refs), dtype=np.uint64))


def table(refs=range(10)):
    made = SeriesTable({})
    numbers = list(refs)
    made.define(
        Definitions(np.array(numbers, np.uint32), dictionary.build([make({"__name__": f"m{n}"}) for n in numbers]))
    )
    return made


@given(SCRAPES, st.integers(1, 8), st.integers(1, 6))
def test_every_sample_is_in_one_request_and_each_series_in_one_lane_in_order(scrapes, max_samples, concurrency):
    rows, series = rows_of(scrapes), table()
    found = cut(rows, series, max_samples, concurrency)
    lanes = [[decode(series.encode(request)) for request in lane] for lane in found.lanes]
    assert found.lost == 0
    assert len(lanes) <= concurrency
    assert all(0 < len(request) <= max_samples for lane in lanes for request in lane)
    sent = [sample for lane in lanes for request in lane for sample in request]
    assert sorted(sample.bits for sample in sent) == list(range(len(rows.refs)))
    homes = [{sample.labels for request in lane for sample in request} for lane in lanes]
    assert sum(map(len, homes)) == len(set(rows.refs.tolist()))
    for lane in lanes:
        times: dict[object, list[int]] = {}
        for sample in (one for request in lane for one in request):
            times.setdefault(sample.labels, []).append(sample.time_ms)
        assert all(a <= b for one in times.values() for a, b in pairwise(one))


def test_the_same_block_gives_the_same_bytes_in_another_process():
    def bodies():
        series = table()
        found = cut(rows_of([range(10)] * 5), series, 7, 3)
        return [[series.encode(request) for request in lane] for lane in found.lanes]

    assert bodies() == bodies()


def test_few_samples_go_in_one_request():
    found = cut(rows_of([range(10)]), table(), 2000, 4)
    assert [len(lane) for lane in found.lanes] == [1]


def test_samples_that_cannot_be_named_are_told_and_do_not_stop_the_rest():
    found = cut(rows_of([[0, 1, 5], [2, 5]]), table(refs=range(5)), 100, 1)
    assert found.lost == 2
    assert [len(request.slots) for lane in found.lanes for request in lane] == [3]


def test_a_time_that_no_clock_tells_is_not_sent():
    assert cut(rows_of([[0]], start=LATEST_MS), table(), 10, 1) == ([], 1)
