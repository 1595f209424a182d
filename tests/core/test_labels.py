from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import escape, fingerprint, make, render
from core.matchers import parse_matchers

names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
label_sets = st.dictionaries(names, st.text(max_size=8), max_size=5)


@given(label_sets)
def test_labels_are_sorted_and_have_no_empty_value(pairs: dict[str, str]) -> None:
    assert make(pairs) == tuple(sorted(p for p in pairs.items() if p[1]))
    assert make(pairs.items()) == make(pairs)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, 14695981039346656037),
        ({"name": "garland, briggs", "fear": "love is not enough"}, 5799056148416392346),
    ],
)
def test_the_fingerprint_is_that_of_prometheuss_own_tests(labels: dict[str, str], expected: int) -> None:
    assert fingerprint(labels) == f"{expected:016x}"


@given(label_sets)
def test_the_fingerprint_does_not_depend_on_order_or_type(pairs: dict[str, str]) -> None:
    assert fingerprint(pairs) == fingerprint(tuple(sorted(pairs.items(), reverse=True)))


@given(label_sets)
def test_rendered_labels_are_read_back(pairs: dict[str, str]) -> None:
    found = parse_matchers(render(pairs))
    assert [(m.name, m.op, m.value) for m in found] == [(name, "=", value) for name, value in sorted(pairs.items())]


def test_escapes_are_those_of_the_exposition_format() -> None:
    assert escape('a\\b"c\nd') == r"a\\b\"c\nd"
    assert render((("a", "x"), ("b", 'y"'))) == r'{a="x", b="y\""}'
