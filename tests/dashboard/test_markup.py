"""Markup: text is escaped by construction."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dashboard.markup import Html, bar, cell, row, safe_url, tag


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@given(some.text(), some.text())
def test_no_text_and_no_attribute_makes_a_tag(text: str, title: str) -> None:
    made = tag("p", text, tag("b", text), title=title)
    parser = _Tags()
    parser.feed(made)
    assert [name for name, _ in parser.seen] == ["p", "b"]
    assert set(parser.seen[0][1]) <= {"title"}
    assert unescape(made).count(text) >= 2


def test_what_is_derived_from_markup_is_text_again() -> None:
    bold = tag("b", "x")
    assert tag("p", f"{bold}") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"
    assert not isinstance(bold + "", Html)


def test_a_text_that_looks_like_a_cell_is_put_into_one() -> None:
    assert row("<td>x") == "<tr><td>&lt;td&gt;x</td></tr>"
    assert row(cell("x", span=3)) == '<tr><td colspan="3">x</td></tr>'


@pytest.mark.parametrize(("share", "width"), [(-1.0, "0.0%"), (0.42, "42.0%"), (7.0, "100.0%")])
def test_a_bar_stays_inside_its_box(share: float, width: str) -> None:
    assert f"width:{width}" in bar(share)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//no.scheme/x", "http:///no-host", "http://[broken", "", None, 7],
)
def test_only_web_addresses_become_links(url: object) -> None:
    assert safe_url(url) is None
    assert safe_url("https://ok.example/x?y=1") == "https://ok.example/x?y=1"
