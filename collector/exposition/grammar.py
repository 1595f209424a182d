"""What the two formats share: entries, numbers, and the names and labels in front of a value.

Every function takes the whole page and an offset, so that a fault can name its line. No pattern backtracks
(all repeats are possessive), so the work is linear in the length of the page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from sys import intern
from typing import NamedTuple, Protocol

from collector.exposition.series import Series
from core.errors import PageRejected
from core.labels import Labels, make

METRIC_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
LABEL_NAME = rb"[a-zA-Z_][a-zA-Z0-9_]*+"

_PAIR = LABEL_NAME + rb'="[^"\\\n]*+"'
_PLAIN = re.compile(rb"(%b)(?:\{((?:%b,)*+%b)\})?+" % (METRIC_NAME, _PAIR, _PAIR))
_PLAIN_PAIR = re.compile(r'([^=,]++)="([^"]*+)"')
_DECIMAL = re.compile(rb"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+")
# Go's ParseFloat knows no signed NaN: a page with the `-nan` of C's printf is refused by Prometheus, and here.
_NAMED = re.compile(rb"(?i:nan|[+-]?(?:inf|infinity))")
_ESCAPE = re.compile(r'\\([\\"n])')
_EXCERPT = 40
_SHARED = 1 << 16
"""Replicas' pages say the same: series and label pairs are read and kept once for all of them, as long as they are
among so many."""
_LONGEST = 1024
"""Longer ones are read each time: a target that invents long labels must not fill the memory that all share."""


class Sample(NamedTuple):
    """One sample line; offsets count from the start of the page."""

    start: int
    raw: bytes  # the series as written, up to its name or closing brace
    value_at: int
    token: bytes  # the value as written
    value: float
    timestamp: int | None  # milliseconds
    end: int  # after the line break


class FamilyType(NamedTuple):
    """A TYPE line; `untyped` is given as `unknown`."""

    family: str
    type: str


class Format(Protocol):
    """One of the two page formats; what cannot be read raises PageRejected."""

    openmetrics: bool
    lexis: Lexis

    def is_lined(self, body: bytes) -> bool:
        """Whether its lines tell what a page means, or only a scan can."""

    def lines(self, body: bytes) -> list[bytes]:
        """The lines to read one by one."""

    def sample(self, page: bytes, start: int) -> Sample:
        """The sample line that begins at `start`."""

    def comment(self, page: bytes, start: int) -> tuple[FamilyType | None, int]:
        """What the line that begins with `#` at `start` declares, and the offset after it."""

    def scan(self, body: bytes) -> Iterator[Sample | FamilyType]:
        """All entries in page order: the authority on what the page means."""


def fault(page: bytes, at: int, expected: str) -> PageRejected:
    """The error that `expected` was not found at this offset."""
    rest = page[at : at + _EXCERPT].partition(b"\n")[0].decode(errors="replace")
    found = repr(rest) if rest else "the end of the line" if at < len(page) else "the end of the page"
    return refusal(page, at, f"expected {expected}, found {found}")


def refusal(page: bytes, at: int, message: str) -> PageRejected:
    """The error with the number of the line that holds the offset."""
    return PageRejected(page.count(b"\n", 0, at) + 1, message)


def number(token: bytes) -> float | None:
    """A decimal as Go's ParseFloat reads it; None for underscores, hexadecimal, out of range and signed NaN."""
    if _DECIMAL.fullmatch(token):
        value = float(token)
        return value if math.isfinite(value) else None
    return float(token) if _NAMED.fullmatch(token) else None


def is_named_number(token: bytes) -> bool:
    """Whether a token is one of the spellings of NaN and infinity."""
    return _NAMED.fullmatch(token) is not None


def value_at(page: bytes, at: int, token: bytes, what: str) -> float:
    """The number at this offset."""
    value = number(token)
    if value is None:
        raise fault(page, at, f"a number as {what}")
    return value


def text_at(page: bytes, at: int, text: bytes, what: str) -> str:
    """The text at this offset, which must be UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise refusal(page, at, f"the {what} is not UTF-8") from None


def family_name(page: bytes, family: re.Match[bytes]) -> str:
    """The name on a line of metadata, plain in group 1 or quoted in group 2."""
    return family[1].decode() if family[1] else unquote(text_at(page, family.start(), family[2], "metric name"))


def family_type(page: bytes, family: re.Match[bytes], written: str, types: Mapping[str, str]) -> FamilyType:
    """What a TYPE line declares; `types` gives our word for the one that is written."""
    if written not in types:
        raise refusal(page, family.start(), f"{written!r} is no metric type: expected one of {', '.join(types)}")
    return FamilyType(family_name(page, family), types[written])


def unquote(quoted: str) -> str:
    """Text between quotes; an escape other than `\\\\`, `\\"` and `\\n` stays as written, as in Prometheus."""
    text = quoted[1:-1]
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


@dataclass(frozen=True)
class Lexis:
    """How a format writes names and labels: its white space, its quoted text, and whether commas may be missing."""

    series: re.Pattern[bytes]  # a series whose labels are only delimited, not yet checked
    metric: re.Pattern[bytes]
    close: re.Pattern[bytes]
    item: re.Pattern[bytes]  # groups: name, quoted, equal
    value: re.Pattern[bytes]  # groups: value, comma
    after_name: re.Pattern[bytes]
    commas_needed: bool

    @classmethod
    def build(cls, space: bytes, value: bytes, name: bytes, *, commas_needed: bool) -> Lexis:
        """`value` and `name` match a quoted label value and a quoted name."""
        braces = rb"\{(?:[^\"}\n]++|" + value + rb")*+\}"
        return cls(
            series=re.compile(rb"%b(?:%b%b)?+|%b" % (METRIC_NAME, space, braces, braces)),
            metric=re.compile(rb"(%b)?+%b(\{)?+" % (METRIC_NAME, space)),
            close=re.compile(space + rb"\}"),
            item=re.compile(rb"%b(?:(%b)|(%b))%b(=)?+" % (space, LABEL_NAME, name, space)),
            value=re.compile(rb"%b(%b)%b(,)?+" % (space, value, space)),
            after_name=re.compile(space + rb"(?:,|(?=\}))"),
            commas_needed=commas_needed,
        )


def parse_series(lexis: Lexis, page: bytes, start: int) -> Series:
    """The series that begins at `start`."""
    head = lexis.metric.match(page, start)
    if head is None or not (head[1] or head[2]):
        raise fault(page, start, "a metric name")
    braces = _Braces(lexis, page, head[1].decode() if head[1] else None)
    if head[2]:
        braces.read(head.end())
    if braces.name is None:
        raise refusal(page, start, "no metric name before or inside the braces")
    return shared(intern(braces.name), _settled(page, start, braces.pairs))


def plain_series(raw: bytes) -> Series | None:
    """As `parse_series` for a series that is written without escapes and white space, as nearly all are, in both
    formats; None for any other."""
    return _plain(raw) if len(raw) <= _LONGEST else _plain.__wrapped__(raw)


@lru_cache(_SHARED)
def _plain(raw: bytes) -> Series | None:
    found = _PLAIN.fullmatch(raw)
    if found is None:
        return None
    try:
        inside = found[2].decode() if found[2] else ""
    except UnicodeDecodeError:
        return None
    return shared(intern(found[1].decode()), _settled(raw, 0, _PLAIN_PAIR.findall(inside)))


def shared(name: str, labels: Labels) -> Series:
    """A series, the same object for all targets that say it."""
    length = len(name) + sum(len(label) + len(value) for label, value in labels)
    return _kept(name, labels) if length <= _LONGEST else Series(name, labels)


@lru_cache(_SHARED)
def _kept(name: str, labels: Labels) -> Series:
    return Series(name, labels)


@lru_cache(_SHARED)
def _shared(name: str, value: str) -> tuple[str, str]:
    return intern(name), intern(value)


def _settled(page: bytes, start: int, pairs: list[tuple[str, str]]) -> Labels:
    """Labels sorted; like the server, drops every pair of a name that has an empty value anywhere."""
    absent = {name for name, value in pairs if value == ""}
    labels = make(
        _shared(name, value) if len(name) + len(value) <= _LONGEST else (name, value)
        for name, value in pairs
        if name not in absent
    )
    names = {name for name, _ in labels}
    if len(names) < len(labels):
        twice = next(name for (name, _), (after, _) in pairwise(labels) if name == after)
        raise refusal(page, start, f"label {twice!r} stands twice in one series")
    if "__name__" in names | absent:
        raise refusal(page, start, "'__name__' stands among the labels")
    return labels


class _Braces:
    """The reading of one pair of braces: labels, and in quotes and alone the metric's name."""

    def __init__(self, lexis: Lexis, page: bytes, name: str | None) -> None:
        self._lexis = lexis
        self._page = page
        self.name = name
        self.pairs: list[tuple[str, str]] = []

    def read(self, at: int) -> None:
        """Take items from `at`, just inside the braces, to the closing one."""
        while not self._lexis.close.match(self._page, at):
            item = self._lexis.item.match(self._page, at)
            if item is None:
                raise fault(self._page, at, "a label name or '}'")
            at = self._label(item) if item[3] else self._metric_name(item)

    def _metric_name(self, item: re.Match[bytes]) -> int:
        after = self._lexis.after_name.match(self._page, item.end())
        if item[1] or after is None:
            raise fault(self._page, item.end(), "'=' after the label name")
        if self.name is not None:
            raise refusal(self._page, item.start(), "a second metric name inside the braces")
        self.name = self._quoted_name(item)
        return after.end()

    def _label(self, item: re.Match[bytes]) -> int:
        found = self._lexis.value.match(self._page, item.end())
        if found is None:
            raise fault(self._page, item.end(), "a label value in double quotes")
        name = item[1].decode() if item[1] else self._quoted_name(item)
        self.pairs.append((name, unquote(text_at(self._page, found.start(1), found[1], "label value"))))
        if self._lexis.commas_needed and not found[2] and not self._lexis.close.match(self._page, found.end()):
            raise fault(self._page, found.end(), "',' or '}'")
        return found.end()

    def _quoted_name(self, item: re.Match[bytes]) -> str:
        name = unquote(text_at(self._page, item.start(2), item[2], "name"))
        if not name:
            raise refusal(self._page, item.start(2), "an empty name in quotes")
        return name
