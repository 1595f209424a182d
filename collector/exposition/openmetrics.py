"""OpenMetrics text 1.0, as Prometheus's server reads it.

One space between tokens, no blank lines, no comments but HELP, TYPE, UNIT and the closing `# EOF`. Exemplars are
checked and dropped. The stricter rules of the written specification (order, suffixes, values) are not applied.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from collector.exposition.grammar import (
    LABEL_NAME,
    METRIC_NAME,
    FamilyType,
    Lexis,
    Sample,
    family_name,
    family_type,
    fault,
    parse_series,
    refusal,
    text_at,
    value_at,
)

_VALUE = rb'"(?:[^"\\\n]|\\[^\n])*+"'
_NAME = rb'"(?:[^"\\\n\x00]|\\[^\n\x00])*+"'
_SUFFIX = re.compile(rb" ([^ \n]++)(?: ([^# \n][^ \n]*+))?+(?:\n|\Z|(?= (#) \{))")
_EXEMPLAR = re.compile(
    rb" # \{((?:(?:%b|%b)=%b(?:,|(?=\})))*+)\} ([^ \n]++)(?: ([^ \n]++))?+(?:\n|\Z)" % (LABEL_NAME, _NAME, _NAME)
)
_METADATA = re.compile(rb"# (HELP|TYPE|UNIT) ")
_FAMILY = re.compile(rb"(?:(%b)|(%b)) ([^\n]*+)(?:\n|\Z)" % (METRIC_NAME, _NAME))
_EOF = b"# EOF"
_NAMES_OF_TYPES = ("counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown")
_TYPES = {name: name for name in _NAMES_OF_TYPES}
_INT64 = 2**63


class OpenMetricsFormat:
    """Implements grammar.Format."""

    openmetrics = True
    lexis = Lexis.build(b"", _VALUE, _NAME, commas_needed=True)

    def is_lined(self, body: bytes) -> bool:
        """Whether lines tell what the page means: not where it does not end with `# EOF`."""
        return ends_in_eof(body)

    def lines(self, body: bytes) -> list[bytes]:
        """The lines before `# EOF`."""
        lines = body.removesuffix(b"\n").split(b"\n")
        lines.pop()
        return lines

    def sample(self, page: bytes, start: int) -> Sample:
        """The sample line that begins at `start`."""
        series = self.lexis.series.match(page, start)
        suffix = _SUFFIX.match(page, series.end()) if series else None
        if series is None or suffix is None:
            raise self._sample_fault(page, start)
        timestamp = None if suffix[2] is None else _milliseconds(page, suffix.start(2), suffix[2])
        at, token = suffix.start(1), suffix[1]
        value = value_at(page, at, token, "value")
        end = _exemplar_end(page, suffix.end()) if suffix[3] else suffix.end()
        return Sample(start, series[0], at, token, value, timestamp, end)

    def _sample_fault(self, page: bytes, start: int) -> Exception:
        parse_series(self.lexis, page, start)
        return fault(page, start, "a series, one space, a value, and if wanted a timestamp and an exemplar")

    def comment(self, page: bytes, start: int) -> tuple[FamilyType | None, int]:
        """A TYPE, or None for HELP and UNIT."""
        head = _METADATA.match(page, start)
        if head is None:
            raise fault(page, start, "HELP, TYPE, UNIT or EOF after '# '")
        family = _FAMILY.match(page, head.end())
        if family is None:
            raise fault(page, head.end(), f"a metric name, a space and text after {head[1].decode()}")
        text = text_at(page, family.start(), family[3], "metadata")
        if head[1] == b"TYPE":
            return family_type(page, family, text, _TYPES), family.end()
        if head[1] == b"UNIT" and text and not family_name(page, family).endswith(f"_{text}"):
            raise refusal(page, start, f"the unit {text!r} is not the suffix of the metric name")
        return None, family.end()

    def scan(self, body: bytes) -> Iterator[Sample | FamilyType]:
        """All entries in page order."""
        at = 0
        while not body.startswith(_EOF, at):
            if at >= len(body):
                raise refusal(body, at, "the page does not end with '# EOF'")
            if body.startswith(b"#", at):
                declared, at = self.comment(body, at)
                if declared:
                    yield declared
            else:
                sample = self.sample(body, at)
                at = sample.end
                yield sample
        if body[at:] not in (_EOF, _EOF + b"\n"):
            raise refusal(body, at + len(_EOF) + 1, "text after '# EOF'")


def ends_in_eof(body: bytes) -> bool:
    """Whether the last line is `# EOF`."""
    text = body.removesuffix(b"\n")
    return text == _EOF or text.endswith(b"\n" + _EOF)


def _milliseconds(page: bytes, at: int, token: bytes) -> int:
    """Seconds to whole milliseconds, cut off as in the server and held within 64 bits."""
    seconds = value_at(page, at, token, "timestamp")
    if not math.isfinite(seconds):
        raise fault(page, at, "a finite timestamp")
    thousandfold = max(-float(_INT64), min(seconds * 1000, float(_INT64)))
    return min(int(thousandfold), _INT64 - 1)


def _exemplar_end(page: bytes, start: int) -> int:
    exemplar = _EXEMPLAR.match(page, start)
    if exemplar is None:
        raise fault(page, start, "an exemplar: ' # {labels} value' and if wanted a timestamp")
    text_at(page, start, exemplar[1], "exemplar")
    value_at(page, exemplar.start(2), exemplar[2], "value of the exemplar")
    if exemplar[3] is not None:
        _milliseconds(page, exemplar.start(3), exemplar[3])
    return exemplar.end()
