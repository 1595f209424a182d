"""The reader of one target's pages: fast while the target says the same series again.

A page is first laid beside the one before (template.py), and only changed values are read. Where that does not explain
it, it is read by lines: all before the last space of a line is looked up among the series already known, all after it
is the value. A line that is not known is parsed once. A page that lines do not explain either is scanned whole with
the grammar, which decides alone what is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.exposition.grammar import Format, Sample, is_named_number, number, parse_series, plain_series
from collector.exposition.lines import Lines
from collector.exposition.openmetrics import OpenMetricsFormat, ends_in_eof
from collector.exposition.series import Series
from collector.exposition.template import Laid, Template, lay
from collector.exposition.text import TextFormat
from core.errors import PageRejected
from storage.series.arrays import Floats, Ints

if TYPE_CHECKING:
    from collector.exposition.protobuf import ProtobufReader

PROTOBUF = "application/vnd.google.protobuf"
"""The type of Prometheus's messages; of its encodings, delimited alone is read."""
_TEXT = TextFormat()
_OPENMETRICS = OpenMetricsFormat()

# What float() and Go's ParseFloat read alike, but for signed NaN and overflow; a token with another byte is scanned.
_AGREED = b"0123456789.+-eEinfatyINFATY"
_NO_VALUE = -1

# Prometheus's bound of its own scrape cache: twice the last page, and room for a target that has just begun.
_GROWTH, _ROOM = 2, 1000
_ROOM_BYTES = 2**20


class Reading(NamedTuple):
    """One page.

    `series` and `numbers` run in page order; where the series are those of the page before, `series` is the same list,
    so treat both as read-only. `timestamps` are in ms, and None when no sample has one. `types` gives family ->
    counter, gauge, histogram, summary, unknown, or on OpenMetrics also gaugehistogram, info, stateset. `duplicates`
    counts samples dropped because the same series and timestamp came before on the page.
    """

    series: list[Series]
    numbers: Floats
    timestamps: list[int | None] | None
    types: Mapping[str, str]
    duplicates: int
    openmetrics: bool

    @property
    def values(self) -> list[float]:
        """The numbers as a list."""
        found: list[float] = self.numbers.tolist()
        return found


@dataclass
class _Draft:
    """What has been read of a page so far; `stamps` maps the place of a sample to its timestamp.

    `template`: the page for the next one to be laid beside, where all of its lines are of the plain kind; `unique`: no
    series can stand on it twice.
    """

    series: list[Series] = field(default_factory=list)
    values: Sequence[float] | Floats = ()
    stamps: dict[int, int] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    template: Template | None = None
    unique: bool = False


class _Came(NamedTuple):
    """A sample on a line that the page before lacks, or has elsewhere; `cut`: the length of what stands before its
    value; `new`: no other line can tell the same series."""

    cut: int
    value: float
    series: Series
    new: bool


def media_of(content_type: str | None) -> str:
    """What a Content-Type header names, without its parameters."""
    return (content_type or "").partition(";")[0].strip().lower()


def format_of(body: bytes, content_type: str | None) -> Format:
    """The format that a Content-Type header names; without one, the page's last line tells."""
    media = media_of(content_type)
    if media == "application/openmetrics-text":
        return _OPENMETRICS
    if media == "text/plain":
        return _TEXT
    if media:
        raise PageRejected(
            1, f"content type {media!r} is no metrics page: expected text/plain, OpenMetrics text or protobuf"
        )
    return _OPENMETRICS if ends_in_eof(body) else _TEXT


class PageReader:
    """Reads the pages of one target; not for several threads at once."""

    def __init__(self) -> None:
        self._format: Format = _TEXT
        self._by_text: dict[bytes, Series] | None = None
        self._known: set[Series] | None = None
        self._layout: list[Series] = []
        self._comments: list[bytes] = []
        self._types: Mapping[str, str] = {}
        self._last: Template | None = None
        self._protobuf: ProtobufReader | None = None
        self._taken = 0
        """Bytes of the lines that were new since what is kept of them was last bounded."""

    def read(self, body: bytes, content_type: str | None) -> Reading:
        """Read an uncompressed page; raises PageRejected where Prometheus would refuse the scrape."""
        if media_of(content_type) == PROTOBUF:
            return self._finish(self._messages(body))
        self._adopt(format_of(body, content_type))
        try:
            return self._finish(self._by_lines(body) or self._by_scan(body))
        finally:
            self._bound(len(body))

    def _messages(self, body: bytes) -> _Draft:
        if self._protobuf is None:
            from collector.exposition.protobuf import ProtobufReader  # noqa: PLC0415 - few targets have such a page

            self._protobuf = ProtobufReader()
        self._adopt(_TEXT)  # whose names and types the messages have
        self._by_text, self._last = None, None
        page = self._protobuf.read(body)
        return _Draft(page.series, page.values, page.stamps, page.types)

    def _adopt(self, page_format: Format) -> None:
        """Forget what the other format's lines meant."""
        if page_format is not self._format:
            self._format = page_format
            self._by_text = None
            self._comments, self._types = [], {}
            self._last = None

    def _by_lines(self, body: bytes) -> _Draft | None:
        """Read line by line; None where that does not explain the page."""
        if not self._format.is_lined(body):
            return None
        return self._by_template(body) or self._by_series(body)

    def _by_series(self, body: bytes) -> _Draft | None:
        """Look every line's series up."""
        draft, tokens, comments, plain = _Draft(), [], [], True
        cuts: list[int] = []
        series, known = draft.series, self._texts().get
        lines = self._format.lines(body)
        try:
            for line in lines:
                cut = line.rfind(b" ") + 1
                key = line[:cut]
                found = known(key)
                if found is not None:
                    series.append(found)
                    tokens.append(line[cut:])
                    cuts.append(cut)
                elif line.startswith(b"#"):
                    comments.append(line)
                    cuts.append(_NO_VALUE)
                elif line or self._format.openmetrics:
                    tokens.append(self._learn(line, draft, key))
                    cuts.append(cut)
                    plain = plain and known(key) is series[-1]
                else:
                    cuts.append(_NO_VALUE)
            draft.types = self._types_of(comments)
        except PageRejected:
            return None
        values = _numbers(tokens)
        if values is None:
            return None
        draft.values = np.array(values, np.float64)
        if plain and not draft.stamps:
            draft.template = _template(body, cuts, draft)
        return draft

    def _by_template(self, body: bytes) -> _Draft | None:
        """Take over what the page before says too; None where comments or too much else differ."""
        last = self._last
        laid = lay(body, last) if last and last.series else None
        if last is None or laid is None:
            return None
        numbers = _numbers(_tokens(laid, last))
        if numbers is None:
            return None
        came = laid.came()
        if not came and laid.in_place:
            page = replace(last, lines=laid.lines, values=last.values.copy())
            unique, self._known = True, None
        else:
            fresh = self._fresh([laid.lines.text(line) for line in came], _gone(laid, last))
            if fresh is None:
                return None
            page = _patched(laid, last, came, fresh) if laid.in_place else _rebuilt(laid, last, came, fresh)
            unique = all(one.new for one in fresh)
        page.values[page.ranks[laid.changed]] = numbers
        return _Draft(page.series, page.values, {}, page.types, page, unique)

    def _fresh(self, lines: list[bytes], gone: dict[bytes, Series]) -> list[_Came] | None:
        """The samples on plain lines, None where one is written otherwise. `gone`: series that may stand there now."""
        cuts = [line.rfind(b" ") + 1 for line in lines]
        values = _numbers([line[cut:] for line, cut in zip(lines, cuts, strict=True)])
        if values is None:
            return None
        found = []
        for line, cut, value in zip(lines, cuts, values, strict=True):
            moved = gone.pop(line[:cut], None)
            one = _Came(cut, value, moved, new=True) if moved else self._came(line, cut, value)
            if one is None:
                return None
            found.append(one)
        return found

    def _came(self, line: bytes, cut: int, value: float) -> _Came | None:
        self._taken += len(line)
        try:
            series = plain_series(line[: cut - 1]) if cut else None
        except PageRejected:
            return None
        if series is None:
            return None
        new = series not in self._all()
        self._all().add(series)
        return _Came(cut, value, series, new)

    def _all(self) -> set[Series]:
        """Series of this target that are or were on its pages: only while some come."""
        if self._known is None:
            self._known = set(self._layout)
        return self._known

    def _texts(self) -> dict[bytes, Series]:
        """Series by what stands before their values: not kept while the page before tells it."""
        if self._by_text is None:
            self._by_text = _texts_of(self._last) if self._last else {}
        return self._by_text

    def _learn(self, line: bytes, draft: _Draft, key: bytes) -> bytes:
        """Parse a line that the cache does not hold, `key` up to its last space; returns its value as written."""
        self._taken += len(line)
        plain = plain_series(key[:-1])
        if plain is not None and number(line[len(key) :]) is not None:
            self._texts()[key] = plain
            draft.series.append(plain)
            return line[len(key) :]
        sample = self._format.sample(line, 0)
        found = self._series_at(line, sample)
        # `a{x="1"}5` and a tab before the value are legal too, but only a space may be taken away.
        if line[sample.value_at - 1 : sample.value_at] == b" ":
            self._texts()[key if len(key) == sample.value_at else line[: sample.value_at]] = found
        if sample.timestamp is not None:
            draft.stamps[len(draft.series)] = sample.timestamp
        draft.series.append(found)
        return sample.token

    def _series_at(self, page: bytes, sample: Sample) -> Series:
        texts, text = self._texts(), sample.raw + b" "
        found = texts.get(text)
        if found is None:
            self._taken += len(text)
            found = texts[text] = parse_series(self._format.lexis, page, sample.start)
        return found

    def _types_of(self, comments: list[bytes]) -> Mapping[str, str]:
        if comments != self._comments:
            declared = [self._format.comment(line, 0)[0] for line in comments]
            self._types = {entry.family: entry.type for entry in declared if entry}
            self._comments = comments
        return self._types

    def _by_scan(self, body: bytes) -> _Draft:
        """Read with the grammar from the first byte to the last."""
        draft, values = _Draft(), []
        types = {}
        for entry in self._format.scan(body):
            if isinstance(entry, Sample):
                if entry.timestamp is not None:
                    draft.stamps[len(draft.series)] = entry.timestamp
                draft.series.append(self._series_at(body, entry))
                values.append(entry.value)
            else:
                types[entry.family] = entry.type
        draft.types, draft.values = types, np.array(values, np.float64)
        return draft

    def _finish(self, draft: _Draft) -> Reading:
        series, values, dropped = draft.series, np.asarray(draft.values), 0
        stamps = [draft.stamps.get(place) for place in range(len(series))] if draft.stamps else None
        # The layout holds each series once, so a page that equals it needs no second look.
        if stamps is not None or not (draft.unique or series == self._layout):
            kept = _first_places(series, stamps)
            dropped = len(series) - len(kept)
            if dropped:
                series, values = [series[place] for place in kept], values[np.array(kept)]
                stamps = stamps and [stamps[place] for place in kept]
        if not draft.unique:
            self._known = None
        layout = series if stamps is None else list(dict.fromkeys(series))
        if draft.unique or layout != self._layout:
            self._layout = layout
        self._remember(None if dropped else draft.template)
        return Reading(
            self._layout if stamps is None else series, values, stamps, draft.types, dropped, self._format.openmetrics
        )

    def _remember(self, template: Template | None) -> None:
        """What the next page is laid beside; it tells the texts before its values, so they are not kept twice."""
        self._last = template
        if template is not None:
            template.series, self._by_text = self._layout, None

    def _bound(self, length: int) -> None:
        """Keep a target that invents series from filling memory; those of its last good page keep their identity."""
        most = _GROWTH * len(self._layout) + _ROOM
        long = self._taken > _GROWTH * length + _ROOM_BYTES
        if long:
            self._taken = 0
        if long or len(self._by_text or ()) > most:
            self._by_text = None
        if long or len(self._known or ()) > most:
            self._known = None


def _template(body: bytes, cuts: list[int], draft: _Draft) -> Template | None:
    """A page's samples at the places of their lines; `cuts` as for Template, for the lines that were read."""
    lines = Lines.of(body)
    read = np.array(cuts[: len(lines)], np.int64)
    whole = lines.ends - lines.starts  # of lines that were not read too, such as `# EOF`
    whole[: len(read)] = np.where(read == _NO_VALUE, whole[: len(read)], read)
    ranks = np.full(len(lines), -1, np.int64)
    places = np.flatnonzero(read != _NO_VALUE)
    ranks[places] = np.arange(len(places))
    return Template(lines, whole, ranks, places, draft.series, np.asarray(draft.values), draft.types)


def _texts_of(page: Template) -> dict[bytes, Series]:
    begins = page.lines.starts[page.places]
    ends = begins + page.cuts[page.places]
    body = page.lines.body
    return {body[begin:end]: one for begin, end, one in zip(begins.tolist(), ends.tolist(), page.series, strict=True)}


def _gone(laid: Laid, last: Template) -> dict[bytes, Series]:
    """The series whose lines were not found where they were, by what stands before their values."""
    gone = np.ones(len(last.lines), np.bool_)
    gone[laid.old[laid.old >= 0]] = False
    lines = np.flatnonzero(gone & (last.ranks >= 0))
    begins = last.lines.starts[lines]
    ends = begins + last.cuts[lines]
    body, ranks = last.lines.body, last.ranks[lines].tolist()
    spans = zip(begins.tolist(), ends.tolist(), ranks, strict=True)
    return {body[begin:end]: last.series[rank] for begin, end, rank in spans}


def _tokens(laid: Laid, last: Template) -> list[bytes]:
    """The values that changed, as written."""
    begins = laid.lines.starts[laid.changed] + last.cuts[laid.old[laid.changed]]
    ends = laid.lines.ends[laid.changed]
    body = laid.lines.body
    return [body[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


def _patched(laid: Laid, last: Template, came: list[int], fresh: list[_Came]) -> Template:
    """The template with other samples on some lines."""
    page = replace(last, lines=laid.lines, cuts=last.cuts.copy(), values=last.values.copy(), series=list(last.series))
    page.index = None
    page.cuts[came] = [one.cut for one in fresh]
    for rank, one in zip(last.ranks[came].tolist(), fresh, strict=True):
        page.series[rank], page.values[rank] = one.series, one.value
    return page


def _rebuilt(laid: Laid, last: Template, came: list[int], fresh: list[_Came]) -> Template:
    """The template with the samples that came, without those that went, in the order of the page."""
    cuts = last.cuts[laid.old]
    cuts[came] = [one.cut for one in fresh]
    sample = last.ranks[laid.old] >= 0
    sample[came] = True
    places = np.flatnonzero(sample)
    ranks = np.full(len(laid.old), -1, np.int64)
    ranks[places] = np.arange(len(places))
    before = np.where(laid.old[places] >= 0, last.ranks[laid.old[places]], -1)
    values = last.values[before]
    values[ranks[came]] = [one.value for one in fresh]
    series = _spliced(last.series, before, iter(fresh))
    return Template(laid.lines, cuts, ranks, places, series, values, last.types, laid.own)


def _spliced(old: list[Series], before: Ints, fresh: Iterator[_Came]) -> list[Series]:
    """The series of a page: stretches of the page before, and between them what came."""
    series: list[Series] = []
    new = before < 0
    firsts = np.append(0, np.flatnonzero((np.diff(before) != 1) | new[1:] | new[:-1]) + 1)[: len(before)]
    lasts = np.append(firsts[1:] - 1, len(before) - 1)[: len(firsts)]
    for first, end in zip(before[firsts].tolist(), (before[lasts] + 1).tolist(), strict=True):
        if first < 0:
            series.append(next(fresh).series)
        else:
            series.extend(old[first:end])
    return series


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
