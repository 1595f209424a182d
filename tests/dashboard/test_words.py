"""Numbers and times in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dashboard import words


def _plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_an_age_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert _plain(words.age(seconds)) == text


@given(some.integers(0, 10**9))
def test_an_age_says_at_most_what_passed_and_misses_less_than_its_smaller_unit(seconds: int) -> None:
    sizes = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    parts = _plain(words.age(seconds)).split()
    said = sum(int(n) * sizes[unit] for n, unit in zip(parts[::2], parts[1::2], strict=True))
    smaller = {"s": 1, "min": 1, "h": 60, "d": 3600}[parts[1]]
    assert 0 <= seconds - said < smaller


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.99996, "99.996 %"), (1.0, "100.00 %"), (0.0, "0.00 %"), (0.00001, "0.001 %"), (0.5, "50.00 %")],
)
def test_a_percentage_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert _plain(words.percent(share)) == text


def test_a_time_of_another_day_has_its_date() -> None:
    noon = 1_767_268_800.0
    assert words.clock(noon, noon + 60) == "12:00:00 UTC"
    assert words.clock(noon, noon + 86_400) == "01 Jan 12:00 UTC"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://user:pw@10.0.0.1:8000/metrics?key=1", "http://10.0.0.1:8000/metrics"),
        ("http://[broken", "unreadable address"),
        ("not an address", "not an address"),
    ],
)
def test_a_place_has_no_credentials_and_no_query(url: str, text: str) -> None:
    assert words.place(url) == text
