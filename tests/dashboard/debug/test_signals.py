"""From cells of buckets to lines: rates, quantiles with their buckets, means, and what was not seen."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from core.histogram import quantile
from core.measures import TARGET_TIME, Measure
from dashboard.debug.buckets import Cells
from dashboard.debug.signals import Found, Panel, cell_ends, own_layers, panels
from dashboard.debug.span import Span
from storage.ledger.dictionary import Atom

SPAN = Span(600, 780, 60, live=True)
GROUP = (("model", "m"),)
BOUNDS = (0.1, 0.5, 1.0)
GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
TTFT = Measure("ttft", "engine", (), BOUNDS)
DEPTH = Measure("queue_depth", "engine", (), (0.0, 1.0, 2.0))


def _time(state: str, layer: str = "engine") -> Measure:
    return Measure(TARGET_TIME, layer, (("state", state),))


def _found(*entries: tuple[int, Measure, int, int]) -> Found:
    """Entries: (bucket, measure, cell, count)."""
    measures = list(dict.fromkeys(measure for _, measure, _, _ in entries))
    rows = [(at, measures.index(measure), cell, n) for at, measure, cell, n in entries]
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    atoms = {index: Atom(measure, GROUP) for index, measure in enumerate(measures)}
    return Found(Cells(*columns), atoms, own_layers(atoms.values()))


def _watched(*covered: int | None) -> list[tuple[int, Measure, int, int]]:
    """Target-time of the span's buckets: covered milliseconds of a minute; None: no target."""
    pairs = [(at, ms) for at, ms in zip(SPAN.starts, covered, strict=True) if ms is not None]
    return [entry for at, ms in pairs for entry in ((at, _time("expected"), 0, 60_000), (at, _time("covered"), 0, ms))]


def _values(panel: Panel, line: str) -> list[float | None]:
    return [point.value for point in next(one for one in panel.lines if one.name == line).points]


def test_a_counter_is_a_rate_and_a_bucket_that_nobody_saw_is_none() -> None:
    found = _found(*_watched(60_000, 20_000, 60_000), (600, GOOD, 0, 120), (660, GOOD, 0, 9), (720, BAD, 0, 6))
    (panel,), (seen,) = panels(found, SPAN)
    assert _values(panel, "good") == [2.0, None, 0.0]
    assert _values(panel, "bad") == [0.0, None, 0.1]
    assert list(seen.shares) == [1.0, 1 / 3, 1.0]


def test_time_without_a_target_is_no_rate_of_zero() -> None:
    found = _found(*_watched(None, 60_000, None), (660, GOOD, 0, 60), (720, GOOD, 0, 30))
    (panel,), (seen,) = panels(found, SPAN)
    assert _values(panel, "good") == [None, 1.0, 0.5]
    assert list(seen.shares) == [None, 1.0, None]


def test_a_quantile_says_between_which_bounds_it_lies_and_when_it_is_above_them_all() -> None:
    found = _found(*_watched(60_000, 60_000, 60_000), (600, TTFT, 1, 10), (660, TTFT, 3, 4))
    (panel,), _ = panels(found, SPAN)
    first, second, third = panel.lines[1].points
    assert (first.low, first.high, first.above) == (0.1, 0.5, False)
    assert (second.value, second.low, second.above) == (1.0, 1.0, True)
    assert third.value is None
    assert [line.name for line in panel.lines] == ["p50", "p95", "p99"]


def test_a_gauge_has_a_mean_of_target_time_between_its_cells_ends() -> None:
    found = _found(*_watched(60_000, 60_000, 60_000), (600, DEPTH, 0, 30_000), (600, DEPTH, 2, 30_000))
    (panel,), _ = panels(found, SPAN)
    point = panel.lines[0].points[0]
    assert (point.value, point.low, point.high) == (0.75, 0.5, 1.0)


def test_a_signal_counts_in_one_layer_and_wider_buckets_hold_the_same_events() -> None:
    inner = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
    outer = Measure("requests", "gateway", (("outcome", "good"), ("reason", "stop")))
    found = _found((600, inner, 0, 100), (600, outer, 0, 60), (660, outer, 0, 60))
    (panel,), _ = panels(found, Span(600, 720, 120, live=True))
    assert panel.layer == "gateway"
    assert _values(panel, "good") == [1.0]


def test_histograms_of_other_bounds_are_added_where_they_coincide() -> None:
    other = Measure("ttft", "engine", (), (0.5, 2.0))
    found = _found((600, TTFT, 0, 5), (600, other, 0, 5))
    (panel,), _ = panels(found, SPAN)
    assert panel.lines[0].points[0].high == 0.5


@given(some.lists(some.integers(0, 50), min_size=4, max_size=4).filter(any))
def test_an_estimate_lies_within_the_bounds_that_are_drawn(counts: list[int]) -> None:
    entries = [(600, TTFT, cell, n) for cell, n in enumerate(counts) if n]
    (panel,), _ = panels(_found(*entries), SPAN)
    for q, line in zip((0.5, 0.95, 0.99), panel.lines, strict=True):
        point = line.points[0]
        assert point.value == quantile(q, BOUNDS, counts)
        assert point.low is not None and point.high is not None and point.value is not None
        assert point.low - 1e-9 <= point.value <= point.high + 1e-9


def test_cells_begin_at_zero_and_the_last_has_no_end() -> None:
    assert [cell_ends((0.0, 2.0), index) for index in range(3)] == [(0.0, 0.0), (0.0, 2.0), (2.0, float("inf"))]


def test_counts_without_a_chosen_dimension_say_that_they_hold_all_of_its_values() -> None:
    found = _found((600, GOOD, 0, 60), (600, TTFT, 0, 5))
    drawn, _ = panels(found, SPAN, ["model", "version"])
    assert [panel.lacks for panel in drawn] == [("version",), ("version",)]
