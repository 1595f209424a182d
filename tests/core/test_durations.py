from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.durations import parse_openslo, parse_prometheus, render
from core.errors import ParseError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m", 60),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("1w", 604_800),
        ("1M", 2_592_000),
        ("1Q", 7_776_000),
        ("1Y", 31_536_000),
    ],
)
def test_openslo_durations(text: str, seconds: int) -> None:
    assert parse_openslo(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "1s", "1h30m", "-1d", " 1d", "1 d", "1.5h", "\u0661d", "1d\n"])
def test_what_is_no_openslo_duration_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_openslo(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1m", 60),
        ("1m500ms", 60.5),
        ("2w3d", 1_468_800),
        ("0", 0),
        ("0s", 0),
        ("1y", 31_536_000),
    ],
)
def test_prometheus_durations(text: str, seconds: float) -> None:
    assert parse_prometheus(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "1M", "30m1h", "1h1h", "-5s", "1.5h", " 5s", "s", "1 h", "\u0663s", "5s\n"])
def test_what_is_no_prometheus_duration_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_prometheus(text)


@given(st.integers(0, 10**12))
def test_a_rendered_duration_is_read_back(ms: int) -> None:
    assert round(parse_prometheus(render(ms / 1000)) * 1000) == ms


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (5400, "1h30m"), (0.25, "250ms"), (86_461, "1d1m1s"), (0.0001, "0s")]
)
def test_durations_are_rendered_with_the_largest_units_first(seconds: float, text: str) -> None:
    assert render(seconds) == text
