"""The text format 0.0.4 and 1.0.0, as Prometheus's server reads it.

White space may stand between all tokens but not before a name; commas between labels may be missing; a label value
may hold line breaks; a NUL where a line begins ends the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from collector.exposition.grammar import (
    METRIC_NAME,
    FamilyType,
    Lexis,
    Sample,
    family_type,
    fault,
    parse_series,
    refusal,
    text_at,
    value_at,
)

_SPACE = rb"[ \t]*+"
_VALUE = rb'"(?:[^"\\]|\\[^\n])*+"'
_NAME = rb'"(?:[^"\\\x00]|\\[^\n\x00])*+"'
_SUFFIX = re.compile(_SPACE + rb"([^{ \t\n]++)" + _SPACE + rb"(?:([0-9]++)" + _SPACE + rb")?+(?:\n|\Z)")
_ONLY_VALUE = re.compile(_SPACE + rb"[^{ \t\n]++" + _SPACE)
_BLANK = re.compile(_SPACE)
_METADATA = re.compile(rb"#[ \t]++(HELP|TYPE)[ \t]++")
_FAMILY = re.compile(rb"(?:(%b)|(%b))([^\n]*+)" % (METRIC_NAME, _NAME))
_ENDS_PAGE = re.compile(rb"#(?:[ \t]*+\x00|[^ \t\n][^\n\x00]*+\x00)")
_TYPES = {"counter": "counter", "gauge": "gauge", "histogram": "histogram", "summary": "summary", "untyped": "unknown"}
_LAST_TIMESTAMP = 2**63 - 1
_TIMESTAMP_DIGITS = 19


class TextFormat:
    """Implements grammar.Format."""

    openmetrics = False
    lexis = Lexis.build(_SPACE, _VALUE, _NAME, commas_needed=False)

    def is_lined(self, body: bytes) -> bool:
        """Whether lines tell what the page means: not with a NUL, which may end it early."""
        return b"\0" not in body

    def lines(self, body: bytes) -> list[bytes]:
        """All lines."""
        return body.split(b"\n")

    def sample(self, page: bytes, start: int) -> Sample:
        """The sample line that begins at `start`."""
        series = self.lexis.series.match(page, start)
        suffix = _SUFFIX.match(page, series.end()) if series else None
        if series is None or suffix is None:
            raise self._sample_fault(page, start)
        timestamp = None if suffix[2] is None else _milliseconds(page, suffix.start(2), suffix[2])
        at, token = suffix.start(1), suffix[1]
        return Sample(start, series[0], at, token, value_at(page, at, token, "value"), timestamp, suffix.end())

    def _sample_fault(self, page: bytes, start: int) -> Exception:
        parse_series(self.lexis, page, start)
        series = self.lexis.series.match(page, start)
        at = series.end() if series else start
        value = _ONLY_VALUE.match(page, at)
        if value is None:
            return fault(page, at, "a value")
        return fault(page, value.end(), "a timestamp in whole milliseconds or the end of the line")

    def comment(self, page: bytes, start: int) -> tuple[FamilyType | None, int]:
        """A TYPE, or None for HELP and any other comment."""
        head = _METADATA.match(page, start)
        if head is None:
            return None, _line_end(page, start)
        family = _FAMILY.match(page, head.end())
        if family is None:
            raise fault(page, head.end(), f"a metric name after {head[1].decode()}")
        if family[3].startswith(b"\0"):
            raise refusal(page, family.start(3), "a NUL byte after the metric name")
        end = _line_end(page, family.end())
        if head[1] == b"HELP":
            text_at(page, family.start(), family[3], "help text")
            return None, end
        # The server drops one byte after the name, whatever it is, and takes the rest as it stands.
        written = family[3][1:].decode(errors="replace")
        return family_type(page, family, written, _TYPES), end

    def scan(self, body: bytes) -> Iterator[Sample | FamilyType]:
        """All entries in page order."""
        at = 0
        while at < len(body):
            blank = _BLANK.match(body, at)
            first = blank.end() if blank else at
            char = body[first : first + 1]
            if char in (b"\0", b"") or _ENDS_PAGE.match(body, first):
                return
            if char == b"\n":
                at = first + 1
            elif char == b"#":
                declared, at = self.comment(body, first)
                if declared:
                    yield declared
            elif first > at and char != b"{":
                # The server takes this space for a part of the name, and then refuses the name.
                raise refusal(body, first, "white space before a metric name")
            else:
                sample = self.sample(body, first)
                at = sample.end
                yield sample


def _line_end(page: bytes, at: int) -> int:
    found = page.find(b"\n", at)
    return len(page) if found < 0 else found + 1


def _milliseconds(page: bytes, at: int, digits: bytes) -> int:
    significant = digits.lstrip(b"0")
    if len(significant) > _TIMESTAMP_DIGITS or int(significant or b"0") > _LAST_TIMESTAMP:
        raise refusal(page, at, "the timestamp is over 63 bits")
    return int(significant or b"0")
