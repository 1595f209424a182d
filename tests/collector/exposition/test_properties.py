"""Round trips and robustness over generated pages."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.exposition import PageReader, Reading
from core.errors import PageRejected
from core.labels import Labels, escape, make

TEXT = "text/plain; version=1.0.0"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PIECES = [
    *(
        b"a",
        b"b_total",
        b"{",
        b"}",
        b'"',
        b'x="1"',
        b'y="2"',
        b",",
        b"=",
        b" ",
        b"\t",
        b"\n",
        b"1",
        b"-",
        b"NaN",
        b"-nan",
    ),
    *(
        b"1e999",
        b"_0",
        b"\\",
        b"\0",
        b"\xff",
        b"\r",
        b" 17",
        b"# ",
        b"# TYPE ",
        b"# HELP ",
        b"# UNIT ",
        b" counter\n",
        b"#",
    ),
    *(b'a{x="1"} 2\n', b"c 5\n", b'{"q.n"', b' # {t="1"} 2', b"# TYPE a gauge\n", b"# EOF\n", b"# EOF"),
]


class Line(NamedTuple):
    name: str
    labels: Labels
    value: float
    timestamp: int | None


class ScanningReader(PageReader):
    """Reads every page with the grammar alone."""

    def _by_lines(self, body: bytes) -> None:
        return None


def text(**kwargs: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), **kwargs)


plain_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "__name__")
quoted_names = text(min_size=1, max_size=8).filter(lambda name: "\0" not in name and name != "__name__")
label_sets = st.dictionaries(plain_names | quoted_names, text(max_size=8), max_size=4).map(make)
stamps = st.none() | st.integers(0, 2**31).map(lambda eighths: eighths * 125)
lines = st.builds(Line, plain_names | st.just("ns:a_total") | quoted_names, label_sets, st.floats(), timestamp=stamps)
pages = st.lists(lines, max_size=12, unique_by=lambda line: line[:2])


def quote(value: str) -> str:
    return f'"{escape(value)}"'


def is_plain(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def render(line: Line, openmetrics: bool) -> str:
    pairs = [f"{name if is_plain(name) else quote(name)}={quote(value)}" for name, value in line.labels]
    if is_plain(line.name.replace(":", "")):
        series = f"{line.name}{{{','.join(pairs)}}}"
    else:
        series = f"{{{','.join([quote(line.name), *pairs])}}}"
    stamp = "" if line.timestamp is None else f" {line.timestamp / 1000 if openmetrics else line.timestamp}"
    return f"{series} {line.value!r}{stamp}\n"


def render_page(page: list[Line], openmetrics: bool) -> bytes:
    return ("".join(render(line, openmetrics) for line in page) + "# EOF\n" * openmetrics).encode()


def seen(reading: Reading) -> list[tuple[str, Labels, str, int | None]]:
    """A reading in a form where NaN equals NaN."""
    stamps = reading.timestamps or [None] * len(reading.series)
    samples = zip(reading.series, reading.values, stamps, strict=True)
    return [(series.name, series.labels, repr(value), stamp) for series, value, stamp in samples]


def outcome(reader: PageReader, body: bytes, content_type: str | None) -> tuple[Any, ...]:
    """The whole result of a read, a refusal included."""
    try:
        reading = reader.read(body, content_type)
    except PageRejected as error:
        assert 1 <= error.line <= body.count(b"\n") + 1
        return error.line, error.message
    assert len(reading.series) == len(reading.values)
    return seen(reading), dict(reading.types), reading.duplicates, reading.openmetrics


@given(page=pages, openmetrics=st.booleans())
def test_what_is_rendered_is_read_again_cold_and_warm(page: list[Line], openmetrics: bool) -> None:
    reader = PageReader()
    body = render_page(page, openmetrics)
    expected = [(line.name, line.labels, repr(line.value), line.timestamp) for line in page]
    for _ in range(2):
        reading = reader.read(body, OPENMETRICS if openmetrics else TEXT)
        assert seen(reading) == expected
        assert reading.duplicates == 0


@given(first=pages, second=pages, openmetrics=st.booleans())
def test_a_reader_that_knows_another_page_reads_the_same(
    first: list[Line], second: list[Line], openmetrics: bool
) -> None:
    content_type = OPENMETRICS if openmetrics else TEXT
    reader = PageReader()
    reader.read(render_page(first, openmetrics), content_type)
    body = render_page(second[:2] + first + second[2:], openmetrics)
    assert outcome(reader, body, content_type) == outcome(PageReader(), body, content_type)


EDITS = ("value", "series", "comment", "remove", "insert", "move", "repeat", "stamp", "blank")


@given(data=st.data(), openmetrics=st.booleans())
def test_a_page_that_changes_line_by_line_is_read_as_if_it_were_new(data: st.DataObject, openmetrics: bool) -> None:
    content_type = OPENMETRICS if openmetrics else TEXT
    warm, scanning = PageReader(), ScanningReader()
    page = [f'm{n % 7}{{le="{n}"}} {n}' for n in range(data.draw(st.integers(0, 40)))]
    page[3:3] = ["# HELP m1 of 1", "# TYPE m1 gauge"]
    for _ in range(4):
        for _ in range(data.draw(st.integers(0, 3))):
            edit(page, data.draw(st.sampled_from(EDITS)), data.draw(st.integers(0, 50)))
        body = ("\n".join(page) + "\n" + "# EOF\n" * openmetrics).encode()
        expected = outcome(scanning, body, content_type)
        assert outcome(warm, body, content_type) == expected


def edit(page: list[str], kind: str, number: int) -> None:
    """Change one line of a page, or its place."""
    place = number % (len(page) + 1)
    line = page[place] if place < len(page) else "new 1"
    changed = {
        "value": [line.rpartition(" ")[0] + f" {number}.5"],
        "series": [f'n{{x="{number} {number}"}} 7'],
        "comment": [f"# TYPE m{number % 7} counter"],
        "remove": [],
        "insert": [f"extra{number} 3", line],
        "repeat": [line, line],
        "stamp": [f"{line} {number}"],
        "blank": [line, ""],
        "move": [],
    }
    page[place : place + 1] = changed[kind]
    if kind == "move":
        page.insert(number * 7 % (len(page) + 1), line)


@given(body=st.binary(max_size=200), content_type=st.sampled_from([TEXT, OPENMETRICS, None]))
def test_arbitrary_bytes_are_read_or_refused(body: bytes, content_type: str | None) -> None:
    outcome(PageReader(), body, content_type)


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14))
def test_nearly_valid_pages_read_the_same_cold_warm_and_scanned(content_type: str, pieces: list[bytes]) -> None:
    body = b"".join(pieces) + (b"\n# EOF\n" if content_type == OPENMETRICS else b"")
    cold = outcome(PageReader(), body, content_type)
    warm = PageReader()
    outcome(warm, b'a{x="1"} 2\nc 5\na 1\nb_total 1\n# EOF\n', content_type)
    assert outcome(warm, body, content_type) == cold
    assert outcome(warm, body, content_type) == cold
    assert outcome(ScanningReader(), body, content_type) == cold


@given(value=st.floats(), timestamp=st.integers(0, 2**63 - 1))
def test_every_float_and_millisecond_survives_the_text_format(value: float, timestamp: int) -> None:
    reading = PageReader().read(f"a {value!r} {timestamp}\n".encode(), TEXT)
    assert reading.timestamps == [timestamp]
    assert reading.values == [value] or math.isnan(value)
