from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ParseError
from core.matchers import OPERATORS, Matcher, Selector, matches_all, parse_matchers, parse_selector

names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}", fullmatch=True)
plain = st.builds(Matcher, names, st.sampled_from(["=", "!="]), st.text(max_size=10))


@pytest.mark.parametrize(
    ("op", "pattern", "value", "fits"),
    [
        ("=", "a", "a", True),
        ("=", "a", "ab", False),
        ("!=", "a", "b", True),
        ("=~", "a|b", "b", True),
        ("=~", "a|b", "ab", False),
        ("=~", "a.c", "a\nc", True),
        ("!~", "5..", "503", False),
        ("!~", "5..", "200", True),
        ("=~", "", "", True),
        ("=~", "(?i)OK", "ok", True),
    ],
)
def test_a_matcher_is_anchored_as_in_prometheus(op: str, pattern: str, value: str, fits: bool) -> None:
    assert Matcher("code", op, pattern).matches({"code": value}) is fits


@pytest.mark.parametrize(
    ("op", "value", "fits"), [("=", "", True), ("!=", "", False), ("=~", ".*", True), ("=~", ".+", False)]
)
def test_a_missing_label_equals_an_empty_one(op: str, value: str, fits: bool) -> None:
    assert Matcher("tenant", op, value).matches({}) is fits


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", "(a)\\1", "*"])
def test_what_is_no_re2_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ParseError, match="RE2"):
        Matcher("a", "=~", pattern)


def test_an_expression_that_backtracks_elsewhere_is_answered_at_once() -> None:
    assert not Matcher("a", "=~", "(a+)+$").matches({"a": "a" * 5000 + "b"})


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ParseError):
        Matcher("a", "==", "b")


@given(names, st.lists(plain, max_size=4))
def test_a_selector_is_read_back_as_it_was_written(metric: str, matchers: list[Matcher]) -> None:
    written = str(Selector(metric, tuple(matchers)))
    assert str(parse_selector(written)) == written
    assert sorted(map(str, parse_selector(written).matchers)) == sorted(map(str, matchers))


@given(st.lists(plain, max_size=4))
def test_alertmanagers_matchers_are_read_back_as_they_were_written(matchers: list[Matcher]) -> None:
    written = ",".join(map(str, matchers))
    assert parse_matchers(written) == parse_matchers("{" + written + "}") == tuple(matchers)


@given(st.text(alphabet="ab{}=\"',~!\\ `([", max_size=20))
def test_any_text_is_read_or_refused_with_a_parse_error(text: str) -> None:
    for parse in (parse_selector, parse_matchers):
        try:
            parse(text)
        except ParseError:
            continue


@pytest.mark.parametrize(
    ("text", "metric", "count"),
    [
        ("up", "up", 0),
        ("vllm:ttft_bucket{le=\"0.1\",model=~'a|b',}", "vllm:ttft_bucket", 2),
        ('{__name__="up"}', "", 1),
        ("up{}", "up", 0),
        ("up{a=`b\\c`}", "up", 1),
        (' up { a = "b" } ', "up", 1),
    ],
)
def test_selectors(text: str, metric: str, count: int) -> None:
    found = parse_selector(text)
    assert (found.metric, len(found.matchers)) == (metric, count)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{a=""}',
        '{a=~".*"}',
        "rate(up[5m])",
        "up[5m]",
        "up offset 5m",
        'up{a="b"',
        "up{a=b}",
        'up{a="b" c="d"}',
        "up{a='b}",
        r'up{a="\q"}',
        "1up",
    ],
)
def test_what_is_no_plain_selector_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_selector(text)


@pytest.mark.parametrize("text", ["rate(up)", "up[5m]", "up offset 5m"])
def test_a_function_a_range_and_an_offset_are_named_as_such(text: str) -> None:
    with pytest.raises(ParseError, match="the engine itself counts"):
        parse_selector(text)


def test_a_name_matcher_looks_at_the_metric() -> None:
    selector = parse_selector('{__name__=~"a|b",x!="1"}')
    assert selector.matches("a", {"x": "2"})
    assert not selector.matches("c", {"x": "2"})
    assert not selector.matches("b", {"x": "1"})
    assert not parse_selector("up").matches("down", {})


def test_alertmanagers_values_may_be_bare() -> None:
    found = parse_matchers('severity=page, team =~ "a.*", x!=y')
    assert [str(m) for m in found] == ['severity="page"', 'team=~"a.*"', 'x!="y"']
    assert matches_all(found, {"severity": "page", "team": "abc"})
    assert not matches_all(found, {"severity": "page", "team": "b"})
    assert {m.op for m in found} <= set(OPERATORS)
