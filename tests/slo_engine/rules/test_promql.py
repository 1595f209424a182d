"""PromQL as text."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.matchers import Matcher
from slo_engine.rules import promql
from slo_engine.rules.raw import Rename


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(144, 10_000), "0.0144"),
        (Fraction(14_4, 10) * Fraction(1, 1000), "0.0144"),
        (Fraction(28, 30) * Fraction(1, 1000), "0.0009333333333333333"),
        (Fraction(1), "1"),
        (Fraction(3, 10**7), "3e-07"),
    ],
)
def test_a_number_is_the_shortest_decimal(value: Fraction, text: str) -> None:
    assert promql.number(value) == text


@given(st.fractions(min_value=0, max_value=10**9))
def test_a_number_reads_back_as_the_float_nearest_to_the_fraction(value: Fraction) -> None:
    assert float(promql.number(value)) == float(value)


@pytest.mark.parametrize(
    ("bound", "ways"),
    [
        ("1", ("1", "1.0")),
        ("0.5", ("0.5",)),
        ("2.50", ("2.5",)),
        ("1000000", ("1e+06", "1000000.0")),
        ("0.00001", ("1e-05",)),
        ("500", ("500", "500.0")),
    ],
)
def test_bounds_are_sought_as_gos_and_pythons_clients_write_them(bound: str, ways: tuple[str, ...]) -> None:
    assert promql.spelled(Decimal(bound)) == ways
    assert all(promql.at_bound(Decimal(bound)).accepts(way) for way in ways)
    assert not promql.at_bound(Decimal(bound)).accepts("7")


@given(st.text(max_size=12))
def test_a_quoted_text_fits_itself_alone(text: str) -> None:
    matcher = Matcher("a", "=~", promql.quoted(text))
    assert matcher.accepts(text)
    assert not matcher.accepts(text + "x")


def test_windows_of_one_sample_a_minute_leave_out_the_minute_at_their_beginning() -> None:
    assert promql.within(300) == "4m59s"


def test_parts_are_added_so_that_one_may_be_missing() -> None:
    assert promql.added(["a"], ()) == "a"
    both = promql.added(["sum (a)", "sum (b)"], ("x",))
    assert both.startswith("sum by (x) (")
    assert 'label_replace(sum (a), "part", "1", "", "")' in both
    assert "\n  or\n" in both


def test_a_raw_label_that_says_nothing_leaves_the_dimension_that_is_there() -> None:
    assert promql.renamed("a", [Rename("model", "model_name")]) == (
        'label_replace(a, "model", "$1", "model_name", "(.+)")'
    )
    blank = promql.renamed("a", [Rename("model", "model_name", ("None",))])
    assert '"told", "", "told", "None"' in blank
