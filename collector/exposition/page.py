"""The reader of one target's pages: fast while the target says the same series again.

A page is first laid beside the one before (template.py), and only changed values are read. Where that does not explain
it, it is read by lines: all before the last space of a line is looked up among the series already known, all after it
is the value. A line that is not known is parsed once. A page that lines do not explain either is scanned whole with
the grammar, which decides alone what is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import NamedTuple

from collector.exposition.grammar import Format, Sample, is_named_number, parse_series
from collector.exposition.openmetrics import OpenMetricsFormat, ends_in_eof
from collector.exposition.series import Series
from collector.exposition.template import NO_VALUE, Aligned, Run, Template, align
from collector.exposition.text import TextFormat
from core.errors import PageRejected
from core.labels import Labels

_TEXT = TextFormat()
_OPENMETRICS = OpenMetricsFormat()

# What float() and Go's ParseFloat read alike, but for signed NaN and overflow; a token with another byte is scanned.
_AGREED = b"0123456789.+-eEinfatyINFATY"

# Prometheus's bound of its own scrape cache: twice the last page, and room for a target that has just begun.
_GROWTH, _ROOM = 2, 1000


class Reading(NamedTuple):
    """One page.

    `series` and `values` run in page order; where the series are those of the page before, `series` is the same list,
    so treat it as read-only. `timestamps` are in ms, and None when no sample has one. `types` gives family -> counter,
    gauge, histogram, summary, unknown, or on OpenMetrics also gaugehistogram, info, stateset. `duplicates` counts
    samples dropped because the same series and timestamp came before on the page.
    """

    series: list[Series]
    values: list[float]
    timestamps: list[int | None] | None
    types: Mapping[str, str]
    duplicates: int
    openmetrics: bool


@dataclass
class _Draft:
    """What has been read of a page so far; `stamps` maps the place of a sample to its timestamp.

    `template`: the page for the next one to be laid beside, where all of its lines are of the plain kind.
    """

    series: list[Series] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    stamps: dict[int, int] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    template: Template | None = None


def format_of(body: bytes, content_type: str | None) -> Format:
    """The format that a Content-Type header names; without one, the page's last line tells."""
    media = (content_type or "").partition(";")[0].strip().lower()
    if media == "application/openmetrics-text":
        return _OPENMETRICS
    if media == "text/plain":
        return _TEXT
    if media:
        raise PageRejected(1, f"content type {media!r} is no metrics page: expected text/plain or OpenMetrics text")
    return _OPENMETRICS if ends_in_eof(body) else _TEXT


class PageReader:
    """Reads the pages of one target; not for several threads at once."""

    def __init__(self) -> None:
        self._format: Format = _TEXT
        self._by_text: dict[bytes, Series] = {}
        self._by_labels: dict[tuple[str, Labels], Series] | None = None
        self._layout: list[Series] = []
        self._comments: list[bytes] = []
        self._types: Mapping[str, str] = {}
        self._last: Template | None = None
        self._learnt = False

    def read(self, body: bytes, content_type: str | None) -> Reading:
        """Read an uncompressed page; raises PageRejected where Prometheus would refuse the scrape."""
        self._adopt(format_of(body, content_type))
        self._learnt = False
        try:
            return self._finish(self._by_lines(body) or self._by_scan(body))
        finally:
            self._bound()

    def _adopt(self, page_format: Format) -> None:
        """Forget what the other format's lines meant."""
        if page_format is not self._format:
            self._format = page_format
            self._by_text.clear()
            self._comments, self._types = [], {}
            self._last = None

    def _by_lines(self, body: bytes) -> _Draft | None:
        """Read line by line; None where that does not explain the page."""
        lines = self._format.lines(body)
        if lines is None:
            return None
        return self._by_template(lines) or self._by_series(lines)

    def _by_series(self, lines: list[bytes]) -> _Draft | None:
        """Look every line's series up."""
        draft, tokens, comments, plain = _Draft(), [], [], True
        keys: list[bytes] = []
        series, known = draft.series, self._by_text.get
        try:
            for line in lines:
                cut = line.rfind(b" ") + 1
                key = line[:cut]
                found = known(key)
                if found is not None:
                    series.append(found)
                    tokens.append(line[cut:])
                    keys.append(key)
                elif line.startswith(b"#"):
                    comments.append(line)
                    keys.append(NO_VALUE)
                elif line or self._format.openmetrics:
                    tokens.append(self._learn(line, draft, key))
                    keys.append(key)
                    plain = plain and known(key) is series[-1]
                else:
                    keys.append(NO_VALUE)
            draft.types = self._types_of(comments)
        except PageRejected:
            return None
        values = _numbers(tokens)
        if values is None:
            return None
        draft.values = values
        if plain and not draft.stamps:
            draft.template = _by_line(lines, keys, draft)
        return draft

    def _by_template(self, lines: list[bytes]) -> _Draft | None:
        """Take over what the page before says too; None where comments or too much else differ."""
        last = self._last
        aligned = align(lines, last) if last else None
        if last is None or aligned is None:
            return None
        page = self._patched(lines, last, aligned)
        numbers = _numbers(aligned.tokens)
        if page is None or numbers is None:
            return None
        for line, number in zip(aligned.changed, numbers, strict=True):
            page.values[line] = number
        series = self._layout
        if page.series is not last.series:
            series = [one for one in page.series if one is not None]
        return _Draft(series, list(compress(page.values, page.series)), {}, page.types, page)

    def _patched(self, lines: list[bytes], last: Template, aligned: Aligned) -> Template | None:
        """The template with the samples that came, without those that went; None where another line came or went."""
        if _is_whole(aligned.runs, len(lines), len(last.lines)):
            return last._replace(lines=lines, values=last.values.copy())
        page = Template(lines, [], [], [], last.types)
        at = before = 0
        for run in (*aligned.runs, Run(len(lines), len(last.lines), 0)):
            if not all(last.series[before : run.old]):
                return None
            for line in lines[at : run.new]:
                if not self._add(page, line):
                    return None
            at, before = run.new + run.length, run.old + run.length
            page.keys.extend(last.keys[run.old : before])
            page.series.extend(last.series[run.old : before])
            page.values.extend(last.values[run.old : before])
        return page

    def _add(self, page: Template, line: bytes) -> bool:
        """Take in a sample that came; False for what a line cannot tell alone."""
        cut = line.rfind(b" ") + 1
        key = line[:cut]
        found, numbers = self._known(line, key), _numbers([line[cut:]])
        if found is None or not numbers:
            return False
        page.keys.append(key)
        page.series.append(found)
        page.values.append(numbers[0])
        return True

    def _known(self, line: bytes, key: bytes) -> Series | None:
        """A plain line's series, learnt if need be; None for what a line cannot tell alone."""
        if key not in self._by_text and line and not line.startswith(b"#"):
            draft = _Draft()
            try:
                self._learn(line, draft, key)
            except PageRejected:
                return None
            if draft.stamps:
                return None
        return self._by_text.get(key)

    def _learn(self, line: bytes, draft: _Draft, key: bytes) -> bytes:
        """Parse a line that the cache does not hold, `key` up to its last space; returns its value as written."""
        sample = self._format.sample(line, 0)
        found = self._series_of(line, sample, key)
        # `a{x="1"}5` and a tab before the value are legal too, but only a space may be taken away.
        if line[sample.value_at - 1 : sample.value_at] == b" ":
            self._by_text[key if len(key) == sample.value_at else line[: sample.value_at]] = found
        if sample.timestamp is not None:
            draft.stamps[len(draft.series)] = sample.timestamp
        draft.series.append(found)
        return sample.token

    def _series_of(self, page: bytes, sample: Sample, key: bytes = b"") -> Series:
        text = sample.raw + b" "
        found = self._by_text.get(text)
        if found is None:
            identity = parse_series(self._format.lexis, page, sample.start)
            known = self._identities()
            found = known.get(identity)
            if found is None:
                found = known[identity] = Series(*identity)
            self._by_text[key if key == text else text] = found  # a template holds the same key
        return found

    def _identities(self) -> dict[tuple[str, Labels], Series]:
        """Series by what they say, for those that come; a target that keeps its series needs no room for it."""
        self._learnt = True
        if self._by_labels is None:
            self._by_labels = {(one.name, one.labels): one for one in (*self._by_text.values(), *self._layout)}
        return self._by_labels

    def _types_of(self, comments: list[bytes]) -> Mapping[str, str]:
        if comments != self._comments:
            declared = [self._format.comment(line, 0)[0] for line in comments]
            self._types = {entry.family: entry.type for entry in declared if entry}
            self._comments = comments
        return self._types

    def _by_scan(self, body: bytes) -> _Draft:
        """Read with the grammar from the first byte to the last."""
        draft = _Draft()
        types = {}
        for entry in self._format.scan(body):
            if isinstance(entry, Sample):
                if entry.timestamp is not None:
                    draft.stamps[len(draft.series)] = entry.timestamp
                draft.series.append(self._series_of(body, entry))
                draft.values.append(entry.value)
            else:
                types[entry.family] = entry.type
        draft.types = types
        return draft

    def _finish(self, draft: _Draft) -> Reading:
        series, values, dropped = draft.series, draft.values, 0
        stamps = [draft.stamps.get(place) for place in range(len(series))] if draft.stamps else None
        # The layout holds each series once, so a page that equals it needs no second look.
        if stamps is not None or (series is not self._layout and series != self._layout):
            kept = _first_places(series, stamps)
            dropped = len(series) - len(kept)
            if dropped:
                series, values = [series[place] for place in kept], [values[place] for place in kept]
                stamps = stamps and [stamps[place] for place in kept]
        layout = series if stamps is None else list(dict.fromkeys(series))
        if layout is not self._layout and layout != self._layout:
            self._layout = layout
        self._last = None if dropped else draft.template
        return Reading(
            self._layout if stamps is None else series, values, stamps, draft.types, dropped, self._format.openmetrics
        )

    def _bound(self) -> None:
        """Keep a target that invents series from filling memory; those of its last good page keep their identity."""
        most = _GROWTH * len(self._layout) + _ROOM
        full = max(len(self._by_text), len(self._by_labels or ())) > most
        if full:
            self._by_text.clear()
        if full or not self._learnt:
            self._by_labels = None


def _by_line(lines: list[bytes], keys: list[bytes], draft: _Draft) -> Template:
    """A page's samples at the places of their lines."""
    series, values = iter(draft.series), iter(draft.values)
    return Template(
        lines,
        keys,
        [None if key is NO_VALUE else next(series) for key in keys],
        [0.0 if key is NO_VALUE else next(values) for key in keys],
        draft.types,
    )


def _is_whole(runs: Sequence[Run], new: int, old: int) -> bool:
    """Whether no line came, went or moved."""
    return new == old == sum(run.length for run in runs)


def _numbers(tokens: list[bytes]) -> list[float] | None:
    """The values, or None where a token needs the grammar's own reading."""
    try:
        values = list(map(float, tokens))
    except ValueError:
        return None
    if b"".join(tokens).translate(None, _AGREED):
        return None
    if math.isfinite(sum(values)):
        return values
    pairs = zip(tokens, values, strict=True)
    return values if all(math.isfinite(value) or is_named_number(token) for token, value in pairs) else None


def _first_places(series: list[Series], stamps: list[int | None] | None) -> Sequence[int]:
    """The place of the first sample of each series and timestamp."""
    if stamps is None and len(set(series)) == len(series):
        return range(len(series))
    first: dict[Series | tuple[Series, int | None], int] = {}
    keys: Iterable[Series | tuple[Series, int | None]] = series if stamps is None else zip(series, stamps, strict=True)
    for place, key in enumerate(keys):
        first.setdefault(key, place)
    return list(first.values())
