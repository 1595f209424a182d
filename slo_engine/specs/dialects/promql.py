"""Just enough PromQL to see plain counters: `sum(rate(selector[1m]))`, and the difference of two that is a latency.

Everything else stays text. No query is evaluated here, and none is proved right: only brackets and quotes are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from core.errors import ParseError
from core.matchers import Matcher, Selector, parse_selector
from slo_engine.specs.dialects.port import Asked, Counted, Fast, Sli

MINUTE = "[1m]"
"""What a range becomes: a query of type prometheus says what a minute counted."""

_BY = r"(?:by\s*\(([^()]*)\))?"
_SUM = re.compile(rf"sum\s*{_BY}\s*\(\s*(?:rate|increase)\s*\((.*)\[1m\]\s*\)\s*\)\s*{_BY}", re.DOTALL)
_OR_NOTHING = re.compile(r"\s+or\s+(?:on\s*\(\s*\)\s*)?vector\s*\(\s*0\s*\)\s*$", re.IGNORECASE)
_ANY_BY = re.compile(r"\bby\s*\(([^()]*)\)")
_RATE = re.compile(r"\brate(?=\s*\()")
_COUNTING = re.compile(r"\b(?:rate|increase)\s*\(")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = frozenset(_OPENING.values())


class Sum(NamedTuple):
    """The increase of plain series, summed by labels."""

    selector: Selector
    by: tuple[str, ...]


def unbalanced(query: str) -> str | None:
    """What is wrong with the brackets and quotes of a query; None where nothing is."""
    open_: list[str] = []
    for char, quoted in _chars(query):
        if not char:
            return "a quote is not closed"
        if quoted:
            continue
        if char in _OPENING:
            open_.append(_OPENING[char])
        elif char in _CLOSING and (not open_ or open_.pop() != char):
            return f"{char!r} closes nothing"
    return f"{open_[-1]!r} is missing at the end" if open_ else None


def sli_of(part: str, total: str, *, part_is_good: bool) -> tuple[Sli, str]:
    """The best SLI of two queries over a minute, and why it was chosen; exact counts come before PromQL."""
    one, all_ = read_sum(part), read_sum(total)
    if one and all_ and set(one.by) == set(all_.by):
        fast = _fast(one, all_) if part_is_good else None
        return (fast, _FAST) if fast else (Counted(one.selector, all_.selector, part_is_good, one.by), _COUNTED)
    if all_ and not part_is_good and (good := _rest(part, all_)):
        fast = _fast(good, all_)
        return (fast, _FAST) if fast else (Counted(good.selector, all_.selector, True, all_.by), _COUNTED)
    by, why = _common_by(part, total)
    return Asked(increase(part), increase(total), part_is_good, by), f"{_ASKED}{why}"


_COUNTED = "a selector of type burnline: plain counters are counted exactly"
_FAST = "a thresholdMetric on the histogram: its buckets are counted exactly"
_ASKED = "queries of type prometheus: no plain counters, so what they say is never exact"


def quotient(query: str, *, part_is_good: bool) -> tuple[Sli, str] | None:
    """The SLI of one sum over another, or of 1 minus that, and why; None where the query is anything else."""
    rest = _halves(query, "-")
    if rest and rest[0].strip() == "1":
        return quotient(rest[1], part_is_good=not part_is_good)
    sides = _halves(query, "/")
    if sides is None:
        return None
    sli, why = sli_of(*sides, part_is_good=part_is_good)
    return None if isinstance(sli, Asked) else (sli, why)


def increase(query: str) -> str:
    """The query with `rate` turned into `increase`, on one line: of a minute it gives the events."""
    return " ".join(_RATE.sub("increase", query).split())


def counts_events(query: str) -> bool:
    """Whether it has a rate or an increase, whatever else it has."""
    return _COUNTING.search("".join(char for char, quoted in _chars(query) if not quoted)) is not None


def read_sum(query: str) -> Sum | None:
    """A plain sum of increases; None where the query is anything else.

    `or vector(0)` behind it says what a counter says by itself: what has not been seen is nothing.
    """
    or_nothing = _OR_NOTHING.search(_bare(query))
    match = _SUM.fullmatch(_bare(query[: or_nothing.start()] if or_nothing else query))
    if match is None or (match[1] is not None and match[3] is not None):
        return None
    by = _labels(match[1] if match[1] is not None else match[3] or "")
    selector = plain_selector(match[2])
    return Sum(selector, by) if selector and by is not None and not (by and or_nothing) else None


def plain_selector(text: str) -> Selector | None:
    """An instant selector; None where the text is anything else."""
    try:
        return parse_selector(text)
    except ParseError:
        return None


def fast_of(bucket: Selector, count: Selector, by: tuple[str, ...]) -> Fast | None:
    """The latency of `x_bucket{le="…"}` over `x_count`, equally narrowed; None where it is no such pair."""
    les = [matcher for matcher in bucket.matchers if matcher.name == "le"]
    others = frozenset(matcher for matcher in bucket.matchers if matcher.name != "le")
    name = bucket.metric.removesuffix("_bucket")
    same = name not in ("", bucket.metric) and count.metric == f"{name}_count" and others == frozenset(count.matchers)
    seconds = _seconds(les[0]) if len(les) == 1 else None
    return Fast(Selector(name, tuple(count.matchers)), seconds, by) if same and seconds else None


def _seconds(le: Matcher) -> float | None:
    try:
        value = float(le.value) if le.op == "=" else 0.0
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _fast(good: Sum, total: Sum) -> Fast | None:
    return fast_of(good.selector, total.selector, good.by)


def _rest(bad: str, total: Sum) -> Sum | None:
    """The good events, where the bad ones are written as all minus these."""
    sides = _halves(bad, "-")
    whole, good = (read_sum(side) for side in sides) if sides else (None, None)
    return good if whole == total and good and good.by == total.by else None


def _halves(query: str, operator: str) -> tuple[str, str] | None:
    """Both sides of an operator that stands once outside of all brackets."""
    depth, cuts, text = 0, [], _bare(query)
    for at, (char, quoted) in enumerate(_chars(text)):
        if not quoted:
            depth += (char in _OPENING) - (char in _CLOSING)
            if char == operator and depth == 0:
                cuts.append(at)
    return (text[: cuts[0]], text[cuts[0] + 1 :]) if len(cuts) == 1 else None


def _bare(query: str) -> str:
    """Without blanks and brackets around the whole."""
    text = query.strip()
    while text.startswith("(") and _closing(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _closing(text: str) -> int:
    """Where the first bracket closes; -1 where it does not."""
    depth = 0
    for at, (char, quoted) in enumerate(_chars(text)):
        if not quoted:
            depth += (char in _OPENING) - (char in _CLOSING)
            if depth == 0:
                return at
    return -1


def _chars(text: str) -> Iterator[tuple[str, bool]]:
    """Every character, and whether it belongs to a string; an empty one at the end where a quote is not closed."""
    quote, escaped = "", False
    for char in text:
        before = quote
        if escaped:
            escaped = False
        elif quote and quote != "`" and char == "\\":
            escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        yield char, bool(before or quote)
    if quote:
        yield "", False


def _labels(text: str) -> tuple[str, ...] | None:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(names) if all(_LABEL.fullmatch(name) for name in names) else None


def _common_by(part: str, total: str) -> tuple[tuple[str, ...], str]:
    """The labels that every aggregation of both queries keeps; none where they differ, with a word on it."""
    kept = {_labels(inside) for query in (part, total) for inside in _ANY_BY.findall(query)}
    if not kept:
        return (), ""
    (first, *more) = kept
    if more or first is None:
        return (), "; the queries group in different ways, so all series are summed"
    return first, ""
