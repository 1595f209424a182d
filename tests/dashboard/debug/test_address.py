"""Addresses of the Debug and SLO pages, and the stretch of time that they mean."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.buckets import FIVE_MINUTES, HOURS, MINUTES
from core.durations import DAY, HOUR
from dashboard.debug.address import CALLS, from_query, link, read_time
from dashboard.debug.span import RANGES, SMALL, overview, span_of

NOW = 1_767_268_845.0


def test_a_link_says_everything_that_was_asked_for() -> None:
    query = {"target": "http://a:1/m?x=1&y", "model": "llama ü", "at": "1767268800", "range": "7d", "calls": "slow"}
    again = dict(parse_qsl(link(query, "debug").removeprefix("debug?")))
    assert from_query(again) == from_query(query)
    assert from_query(again).at == 1_767_268_800.0


def test_a_link_changes_what_it_is_told_to_and_drops_the_rest() -> None:
    assert link({"slo": "ttft", "trace": "x", "evil": "1"}, trace=None, range="1h") == "?slo=ttft&range=1h"


@pytest.mark.parametrize("query", [{"range": "9y"}, {"calls": "rude"}, {"at": "soon"}, {"at": "nan"}, {"at": "1e300"}])
def test_what_cannot_be_read_is_as_if_it_were_not_given(query: dict[str, str]) -> None:
    assert from_query(query) == from_query({})
    assert from_query(query).calls == CALLS[0]


def test_times_are_unix_seconds_or_rfc3339() -> None:
    assert read_time("1767268800") == read_time("2026-01-01T12:00:00Z") == read_time("2026-01-01T13:00:00+01:00")


def test_the_present_ends_at_the_last_whole_bucket_and_the_past_shows_what_came_after() -> None:
    live = span_of("1h", None, NOW)
    assert (live.end - live.start, live.width, live.live) == (HOUR, MINUTES.width, True)
    assert NOW - 60 < live.end <= NOW
    past = span_of("1h", NOW - 2 * HOUR, NOW)
    assert not past.live
    assert past.start < NOW - 2 * HOUR < past.end < NOW - HOUR


def test_an_hour_of_last_month_is_shown_as_a_day_of_hours_and_says_so() -> None:
    span = span_of("1h", NOW - 20 * DAY, NOW)
    assert (span.width, span.end - span.start) == (HOURS.width, DAY)
    assert "only hours are kept" in span.note


@given(some.sampled_from(sorted(RANGES)), some.none() | some.floats(0, 60 * DAY))
def test_every_stretch_can_be_drawn_and_is_still_kept(length: str, ago: float | None) -> None:
    span = span_of(length, None if ago is None else NOW - ago, NOW)
    assert 2 <= len(span.starts) <= 800
    assert span.start % span.width == span.end % span.width == 0
    assert span.end <= NOW
    kept = {MINUTES.width: MINUTES.retention, FIVE_MINUTES.width: FIVE_MINUTES.retention}.get(span.width, 400 * DAY)
    assert span.start >= NOW - kept - span.width


@given(some.sampled_from(sorted(RANGES)), some.none() | some.floats(0, 60 * DAY))
def test_an_overview_is_the_same_stretch_in_few_buckets_up_to_the_same_moment(length: str, ago: float | None) -> None:
    span = span_of(length, None if ago is None else NOW - ago, NOW)
    few = overview(span)
    assert len(few.starts) <= SMALL
    assert few.end == span.end
    assert few.width % span.width == (few.end - few.start) % few.width == 0
    assert 0 <= few.start - span.start < few.width
    assert few.read_width == span.width
    assert set(few.starts) <= set(span.starts), "a wide bucket begins where a stored one does"
