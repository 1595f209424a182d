"""Raw series: where they are, counters as rates, and silence as a gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from core.clock import ManualClock
from core.labels import make
from dashboard.debug import raw
from dashboard.debug.span import Span
from storage.database import sqlite_url
from storage.fleet import TargetHealth
from storage.series import STALE, SeriesData
from tests.dashboard.debug.series import written

LABELS = {"job": "vllm", "instance": "a:1", "region": "eu"}
TARGET = TargetHealth("http://a:1/metrics", "one", "demo", LABELS, 15.0, 0.0)
START = 1_767_268_800
SPAN = Span(START, START + 3600, 60, live=True)


def test_series_lie_beside_a_sqlite_database_and_nowhere_else(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "burnline.db")
    assert raw.folder_of(url) is None
    (tmp_path / "series").mkdir()
    assert raw.folder_of(url) == tmp_path / "series"
    assert raw.folder_of("postgresql+psycopg://u:p@host/db") is None


def test_only_the_targets_own_series_are_read_and_a_counter_is_a_rate(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.set(START + 60.0)
    pages = {make({**LABELS, "code": "200"}): [10, 40, 5], make({**LABELS, "instance": "b:1"}): [1, 2, 3]}
    written(tmp_path, clock, "http_requests_total", pages, START + 60, 15)
    reader = raw.reader(tmp_path)
    assert raw.metrics(reader, TARGET, SPAN._replace(end=START + 120)) == ["http_requests_total"]
    found = raw.read(reader, TARGET, "http_requests_total", SPAN)
    assert found.rate
    (curve,) = found.curves
    assert (curve.name, list(curve.values)) == ("code=200", [2.0, 5 / 15])


def test_a_line_breaks_where_nothing_was_scraped_and_at_values_that_are_no_numbers() -> None:
    times = np.array([0, 15, 90, 105], np.int64) * 1000
    values = np.array([1.0, 2.0, np.inf, STALE])
    data = SeriesData(make({**LABELS, "__name__": "depth"}), times, values)
    curve = raw._curve(data, LABELS, 15.0, is_counter=False)
    assert list(curve.values) == [1.0, 2.0, None, None]
    assert list(curve.times) == [0.0, 15.0, 30.0, 90.0]


@given(some.lists(some.integers(0, 1000), min_size=1))
def test_increments_are_never_negative_and_add_up_between_resets(values: list[int]) -> None:
    found = raw.increments([float(one) for one in values])
    assert all(change >= 0 for change in found)
    if values == sorted(values):
        assert sum(found) == values[-1] - values[0]
