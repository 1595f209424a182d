"""Burnline and Prometheus over one fleet: counts, alerts, and the page that shows them."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from bench.differential.compare import Comparison, Timeline, compare
from bench.differential.page import page
from bench.differential.tables import report

pytestmark = [pytest.mark.server("promtool"), pytest.mark.server("prometheus")]


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(1, hours=5, targets=4, live=False)


def test_windows_between_pauses_are_exact_and_no_count_is_off_by_more_than_straddles_its_edges(
    found: Comparison,
) -> None:
    quiet = [one for one in found.windows if one.quiet]
    assert quiet and all(one.exact == len(one.counts) > 0 for one in quiet)
    assert all(one.beyond == 0 for one in found.windows)


def test_prometheus_counts_the_same_requests_but_for_its_extrapolation(found: Comparison) -> None:
    longest = max((one for one in found.windows if one.quiet), key=lambda one: one.length)
    assert longest.worst("prometheus") < 0.05


def test_both_fire_when_the_truth_does(found: Comparison) -> None:
    assert any(one.truth for one in found.timelines)
    for one in found.timelines:
        for judge in (one.backtest, one.prometheus):
            assert bool(one.truth) <= bool(judge)
            assert len(judge ^ one.truth) <= _odd_minutes(one)


def _odd_minutes(one: Timeline) -> int:
    """Near a threshold an unlucky scrape moves a beginning or an end by minutes."""
    return 4 + len(one.truth) // 20


def test_what_is_said_has_every_judge(found: Comparison) -> None:
    text, html = report(found), page(found)
    for judge in ("Burnline", "Prometheus", "truth"):
        assert judge in text and judge in html
    parser = HTMLParser()
    parser.feed(html)
    assert html.count("<polyline") == 3 * len(found.shares)
    assert "NaN" not in html and "nan," not in html
