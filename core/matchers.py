"""One matcher with its two notations: PromQL selectors and Alertmanager's matchers.

Regular expressions are RE2 and anchored at both ends, as in Prometheus. A missing label equals an empty one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import ParseError

OPERATORS = ("=~", "!~", "!=", "=")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SPACE = re.compile(r"\s*")
_BARE = re.compile(r"[^\s,}\"']+")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True)
class Matcher:
    """`name op value`, where op is one of = != =~ !~."""

    name: str
    op: str
    value: str
    _regex: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.op not in OPERATORS:
            raise ParseError(f"{self.op!r} is not a matcher operator: write one of {' '.join(OPERATORS)}")
        if self.op in ("=~", "!~"):
            object.__setattr__(self, "_regex", compile_re2(self.value))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a label set fits."""
        return self.accepts(labels.get(self.name, ""))

    def accepts(self, value: str) -> bool:
        """Whether one value (empty for an absent label) fits."""
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        hit = self._regex.fullmatch(value) is not None
        return hit if self.op == "=~" else not hit

    def __str__(self) -> str:
        text = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.op}"{text}"'


@dataclass(frozen=True)
class Selector:
    """A PromQL instant selector: a metric name (may be empty) and matchers on the other labels."""

    metric: str
    matchers: tuple[Matcher, ...]

    def matches(self, metric: str, labels: Mapping[str, str]) -> bool:
        """Whether a series fits; a `__name__` matcher looks at the metric name."""
        if self.metric and metric != self.metric:
            return False
        return all(m.accepts(metric) if m.name == "__name__" else m.matches(labels) for m in self.matchers)

    def __str__(self) -> str:
        inside = ",".join(str(m) for m in sorted(self.matchers, key=lambda m: (m.name, m.op, m.value)))
        return f"{self.metric}{{{inside}}}" if inside else self.metric


def matches_all(matchers: tuple[Matcher, ...], labels: Mapping[str, str]) -> bool:
    """Whether every matcher fits."""
    return all(matcher.matches(labels) for matcher in matchers)


def parse_selector(text: str) -> Selector:
    """Read `name{a="x",b=~"y|z"}`; a function, a range or an offset is a ParseError that says so."""
    scan = _Scanner(text)
    metric = scan.take(_METRIC) or ""
    matchers: list[Matcher] = []
    if scan.skip("{"):
        matchers = scan.matcher_list("}")
    if not scan.at_end():
        rest = scan.rest()
        if rest[0] in "([" or rest.startswith("offset"):
            raise ParseError(
                f"{text!r} is no plain selector: the engine itself counts, so no function, range or offset"
            )
        raise ParseError(f"unexpected {rest!r} in selector {text!r}")
    if not metric and all(m.accepts("") for m in matchers):
        raise ParseError(f"selector {text!r} needs a metric name or a matcher that does not match the empty text")
    return Selector(metric, tuple(matchers))


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read Alertmanager's list: `a="x", b=~y` with or without braces, values quoted or bare."""
    scan = _Scanner(text)
    if scan.skip("{"):
        result = scan.matcher_list("}", bare=True)
    else:
        result = scan.matcher_list("", bare=True)
    if not scan.at_end():
        raise ParseError(f"unexpected {scan.rest()!r} in matchers {text!r}")
    return tuple(result)


def compile_re2(pattern: str) -> Any:
    """An RE2 expression in which a dot fits a line break too, as in Prometheus 3; ParseError where it is none."""
    import re2  # noqa: PLC0415 - costs 30 ms to import, only regex matchers need it

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ParseError(f"{pattern!r} is not an RE2 expression: {error}") from None


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._space()

    def _space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def rest(self) -> str:
        return self._text[self._at :]

    def take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        self._space()
        return match[0]

    def skip(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        self._space()
        return True

    def matcher_list(self, close: str, *, bare: bool = False) -> list[Matcher]:
        found: list[Matcher] = []
        while not self.at_end() and not (close and self._text.startswith(close, self._at)):
            found.append(self._matcher(bare=bare))
            if not self.skip(","):
                break
        if close and not self.skip(close):
            raise ParseError(f"expected {close!r} before {self.rest()!r} in {self._text!r}")
        return found

    def _matcher(self, *, bare: bool) -> Matcher:
        name = self.take(_NAME)
        if name is None:
            raise ParseError(f"expected a label name before {self.rest()!r} in {self._text!r}")
        op = next((op for op in OPERATORS if self.skip(op)), None)
        if op is None:
            raise ParseError(f"expected one of {' '.join(OPERATORS)} after {name!r} in {self._text!r}")
        return Matcher(name, op, self._value(name, bare=bare))

    def _value(self, name: str, *, bare: bool) -> str:
        quote = self._text[self._at : self._at + 1]
        if quote in ('"', "'") and quote:
            return self._quoted(quote)
        if quote == "`":
            end = self._text.find("`", self._at + 1)
            if end > 0:
                value = self._text[self._at + 1 : end]
                self._at = end + 1
                self._space()
                return value
        if bare and (word := self.take(_BARE)) is not None:
            return word
        raise ParseError(f"expected a quoted value after {name!r} in {self._text!r}")

    def _quoted(self, quote: str) -> str:
        out: list[str] = []
        at = self._at + 1
        while at < len(self._text):
            char = self._text[at]
            if char == quote:
                self._at = at + 1
                self._space()
                return "".join(out)
            if char == "\\" and at + 1 < len(self._text):
                at += 1
                escaped = self._text[at]
                if escaped not in _ESCAPES:
                    raise ParseError(f"unknown escape \\{escaped} in {self._text!r}")
                char = _ESCAPES[escaped]
            out.append(char)
            at += 1
        raise ParseError(f"a quote is not closed in {self._text!r}")
