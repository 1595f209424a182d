"""Filters: what an address narrows the page to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from dashboard.filters import DIMENSIONS, NAMES, Filters, choices, from_query

_queries = some.dictionaries(some.sampled_from(NAMES), some.text(min_size=1, max_size=8))


def test_an_alerts_link_sets_the_slo_and_the_group() -> None:
    found = from_query({"slo": "ttft", "version": "v2", "region": "eu-west", "embed": "true"})
    assert found == Filters("ttft", None, {"version": "v2", "region": "eu-west"})


def test_a_group_that_is_not_told_apart_holds_the_chosen_value() -> None:
    chosen = from_query({"version": "v2"})
    assert chosen.covers({"version": "v2", "region": "us"})
    assert chosen.covers({"region": "us"})
    assert not chosen.covers({"version": "v1"})


def test_an_incident_that_is_no_number_and_empty_values_narrow_nothing() -> None:
    assert from_query({"incident": "²", "slo": "", "region": ""}) == Filters()
    assert from_query({"incident": "9" * 40}) == Filters()
    assert from_query({"incident": "12"}).incident == 12


@given(_queries)
def test_pairs_lead_back_to_the_same_filters(query: dict[str, str]) -> None:
    chosen = from_query(query)
    assert from_query(dict(chosen.pairs())) == chosen


@given(_queries)
def test_what_is_chosen_can_always_be_seen_and_taken_away(query: dict[str, str]) -> None:
    chosen = from_query(query)
    assert set(chosen.pairs()) <= set(choices([], [], chosen))


def test_choices_are_the_known_dimensions_of_the_data() -> None:
    found = choices(["ttft"], [{"version": "v1", "pod": "x"}], Filters())
    assert found == [("slo", "ttft"), ("version", "v1")]
    assert "pod" not in DIMENSIONS
