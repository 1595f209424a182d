"""The description that the command line prints."""

from __future__ import annotations

import json

from collector.exposition.debug import describe

OPENMETRICS = "application/openmetrics-text"


def test_a_page_is_described_in_page_order() -> None:
    page = b'z{b="2",a="1"} 1.5 1700000000000\na NaN\ni +Inf\nj -inf\na 7\n'
    assert describe(page, "text/plain") == {
        "series": [
            {"name": "z", "labels": {"a": "1", "b": "2"}, "value": 1.5, "timestamp": 1700000000000},
            {"name": "a", "labels": {}, "value": "NaN", "timestamp": None},
            {"name": "i", "labels": {}, "value": "+Inf", "timestamp": None},
            {"name": "j", "labels": {}, "value": "-Inf", "timestamp": None},
        ],
        "errors": [],
    }


def test_a_refused_page_has_its_line_and_no_series() -> None:
    described = describe(b"a 1\nb -nan\n", None)
    message = "expected a number as value, found '-nan'"
    assert described == {"series": [], "errors": [{"line": 2, "message": message}]}


def test_the_description_is_strict_json() -> None:
    described = describe(b"a NaN\nb Inf\nc 1e300\n# EOF", OPENMETRICS)
    assert json.loads(json.dumps(described, allow_nan=False)) == described


def test_html_is_one_error_at_line_one() -> None:
    [error] = describe(b"<html></html>", "text/html")["errors"]
    assert error["line"] == 1
    assert "text/html" in error["message"]
