"""PromQL as text: small pieces that sides and alerts are put together from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from core.durations import MINUTE, render
from core.matchers import Matcher, Selector
from slo_engine.rules.raw import Rename


def number(value: Fraction | float) -> str:
    """The shortest decimal that reads back as the same float: 0.0144, not 0.014399999999999999."""
    text = repr(float(value))
    return text.removesuffix(".0")


def spelled(bound: Decimal) -> tuple[str, ...]:
    """The ways in which exporters write a bucket's bound: Go's `1`, Python's and Prometheus 3's `1.0`."""
    value = float(bound)
    python, go = repr(value), _go(value)
    return tuple(dict.fromkeys((go, python)))


def _go(value: float) -> str:
    """As strconv.FormatFloat(value, 'g', -1, 64) writes it: exponents from 1e+21 on, but the Go client's pages from
    1e+06 on; those in between are whole numbers to either."""
    text = repr(value)
    if text.endswith(".0") and abs(value) >= 1e6:
        mantissa, _, exponent = f"{Decimal(text).normalize():e}".partition("e")
        return f"{mantissa}e+{int(exponent):02d}"
    return text.removesuffix(".0")


def at_bound(bound: Decimal) -> Matcher:
    """The matcher of a bucket, however its bound is written."""
    ways = spelled(bound)
    if len(ways) == 1:
        return Matcher("le", "=", ways[0])
    return Matcher("le", "=~", "|".join(quoted(way) for way in ways))


def quoted(value: str) -> str:
    """A text as a regular expression (RE2) that fits it alone."""
    return "".join(f"\\{char}" if char in r"\.+*?()|[]{}^$" else char for char in value)


def selected(name: str, matchers: Sequence[Matcher]) -> str:
    """An instant selector."""
    return str(Selector(name, tuple(dict.fromkeys(matchers))))


def within(seconds: int) -> str:
    """The range of `sum_over_time` over one sample a minute: a second short of the window, since Prometheus 2 takes a
    range with both its ends and would count the minute at its beginning too."""
    return render(seconds - 1)


def grouped(operator: str, by: tuple[str, ...], expression: str) -> str:
    """An aggregation that keeps the group's labels."""
    labels = f" by ({', '.join(by)})" if by else ""
    return f"{operator}{labels} ({expression})"


def matching(by: tuple[str, ...]) -> str:
    """Match two sides by the group's labels alone."""
    return f"on ({', '.join(by)})"


def first_of(expressions: Sequence[str]) -> str:
    """Of series with the same labels the one of the first expression that has it."""
    return " or ".join(expressions)


def added(expressions: Sequence[str], by: tuple[str, ...]) -> str:
    """The sum of aggregated expressions, of which some may have no series of a group."""
    if len(expressions) == 1:
        return expressions[0]
    # `a + b` is nothing where one of them is missing, and `a or b` takes one of them: so each gets a label of its own.
    apart = (f'label_replace({one}, "part", "{n}", "", "")' for n, one in enumerate(expressions, 1))
    return grouped("sum", by, "\n  " + "\n  or\n  ".join(apart) + "\n")


def renamed(expression: str, renames: Sequence[Rename]) -> str:
    """The dimensions' labels, from the raw ones that tell them; a raw label that says nothing leaves what is there."""
    for rename in renames:
        source = rename.label
        if rename.absent:
            source = "told"
            none = "|".join(quoted(value) for value in rename.absent)
            expression = _replaced(expression, source, "$1", rename.label, "(.*)")
            expression = _replaced(expression, source, "", source, none)
        expression = _replaced(expression, rename.dimension, "$1", source, "(.+)")
    return expression


def _replaced(expression: str, into: str, text: str, source: str, pattern: str) -> str:
    parts = ", ".join(json.dumps(one, ensure_ascii=False) for one in (into, text, source, pattern))
    return f"label_replace({expression}, {parts})"


def scaled(expression: str, scale: float) -> str:
    """Ledger units of raw ones."""
    return expression if scale == 1.0 else f"({expression}) * {number(scale)}"


MINUTE_POINTS = f"{render(MINUTE - 1)}:15s"
"""A subquery over the last minute: four looks at a gauge."""
