"""What Prometheus's text format accepts and refuses."""

from __future__ import annotations

import math

import pytest

from collector.exposition import PageReader, Reading
from core.errors import PageRejected

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def read(body: bytes) -> Reading:
    return PageReader().read(body, TEXT)


def one(body: bytes) -> tuple[str, dict[str, str], float, int | None]:
    """The only sample of a page."""
    reading = read(body)
    [series], [value] = reading.series, reading.values
    return series.name, dict(series.labels), value, reading.timestamps[0] if reading.timestamps else None


@pytest.mark.parametrize(
    "line",
    [
        b'a{x="1",y="2"} 3',
        b'a{x="1",y="2",} 3',
        b'a{x="1" y="2"} 3',
        b'a{x="1"y="2"} 3',
        b'a { x = "1" , y = "2" } 3',
        b'a\t{\tx="1",y="2"}\t3\t',
        b'a{x="1",y="2"}3',
        b'a{"x"="1","y"="2"} 3',
        b'a{y="2",x="1",z=""} 3',
    ],
)
def test_odd_spacing_and_commas_mean_the_same_series(line: bytes) -> None:
    assert one(line) == ("a", {"x": "1", "y": "2"}, 3.0, None)


@pytest.mark.parametrize(
    ("line", "name", "labels"),
    [
        (b'{"name.with.dots", a="b"} 1', "name.with.dots", {"a": "b"}),
        (b' {"name.with.dots"} 1', "name.with.dots", {}),
        (b'{a="b","late"} 1', "late", {"a": "b"}),
        (b'{"q\\"\\n\\\\","label\\"name"="v"} 1', 'q"\n\\', {'label"name': "v"}),
        ('{"größe","straße"="ü"} 1'.encode(), "größe", {"straße": "ü"}),
        (b"a{} 1", "a", {}),
        (b":a:b_1 1", ":a:b_1", {}),
    ],
)
def test_names_may_stand_in_quotes(line: bytes, name: str, labels: dict[str, str]) -> None:
    assert one(line) == (name, labels, 1.0, None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (rb"\\", "\\"),
        (rb"\"", '"'),
        (rb"\n", "\n"),
        (rb"\\n", "\\n"),
        (rb"\x", "\\x"),
        (b"line\nbreak", "line\nbreak"),
        (b"nul\0byte", "nul\0byte"),
        (b"} 5 # {", "} 5 # {"),
        ("größe".encode(), "größe"),
    ],
)
def test_escapes_and_odd_bytes_in_label_values(written: bytes, meant: str) -> None:
    assert one(b'a{x="' + written + b'"} 1\n') == ("a", {"x": meant}, 1.0, None)


def test_le_stays_as_written() -> None:
    bodies = [b'h_bucket{le="1"} 1', b'h_bucket{le="1.0"} 1', b'h_bucket{le="1e0"} 1']
    assert [one(body)[1]["le"] for body in bodies] == ["1", "1.0", "1e0"]


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("1.5e+011", 1.5e11),
        ("1.15891634176e+011", 115891634176.0),
        ("+1", 1.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("007", 7.0),
        ("1E3", 1000.0),
        ("1e-999", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("Inf", math.inf),
        ("+iNF", math.inf),
        ("-Infinity", -math.inf),
        ("9223372036854775794", 9223372036854775794.0),
    ],
)
def test_numbers_as_go_reads_them(token: str, value: float) -> None:
    assert one(f"a {token}\n".encode())[2] == value


@pytest.mark.parametrize("token", ["NaN", "nan", "NAN"])
def test_nan_is_a_value(token: str) -> None:
    assert math.isnan(one(f"a {token}\n".encode())[2])


@pytest.mark.parametrize(
    "token",
    [
        "1_000",
        "0x10",
        "0x1p-3",
        "1e999",
        "-1e400",
        "-nan",
        "+NaN",
        "1e",
        ".",
        "+",
        "--1",
        "1,5",
        "infin",
        "true",
        "1\r",
    ],
)
def test_a_number_that_go_refuses_refuses_the_page_cold_and_warm(token: str) -> None:
    reader = PageReader()
    reader.read(b"ok 1\na 2\n", TEXT)
    for attempt in (reader, PageReader()):
        with pytest.raises(PageRejected, match="number") as caught:
            attempt.read(f"ok 1\na {token}\n".encode(), TEXT)
        assert caught.value.line == 2


@pytest.mark.parametrize(
    ("line", "timestamp"),
    [(b"a 1 1700000000123", 1700000000123), (b"a 1 0 ", 0), (b"a 1\t007", 7), (b"a 1 9223372036854775807", 2**63 - 1)],
)
def test_timestamps_are_whole_milliseconds(line: bytes, timestamp: int) -> None:
    assert one(line)[3] == timestamp


@pytest.mark.parametrize(
    "line",
    [
        b"a",
        b"a ",
        b"a\r",
        b"9a 1",
        b"  a 1",
        b"\ta 1",
        b"a 1 -5",
        b"a 1 1.5",
        b"a 1 5x",
        b"a 1 9223372036854775808",
        b"a 1 " + b"9" * 5000,
        b"a 1 2 3",
        b"a 1 # comment",
        b'a 1 # {t="1"} 1',
        b"a{ 1",
        b'a{x="1" 1',
        b'a{x="1} 1',
        b"a{x='1'} 1",
        b"a{x=1} 1",
        b"a{x} 1",
        b'a{="1"} 1',
        b"a{,} 1",
        b'a{x="1",,y="2"} 1',
        b'a{x:y="1"} 1',
        b'a{x="1"}{y="2"} 1',
        b'a{x="\xff"} 1',
        b'a{\xff="1"} 1',
        b'{"\xff"} 1',
        b'{x="1"} 1',
        b'a{"b"} 1',
        b'{"a","b"} 1',
        b'{"a" x="1"} 1',
        b'{""} 1',
        b'a{""="1"} 1',
        b'a{x="1",x="2"} 1',
        b'a{__name__="b"} 1',
        b'a{__name__=""} 1',
        b'a{x="1\\\n2"} 1',
        b"# TYPE a",
        b"# TYPE a unknown",
        b"# TYPE a info",
        b"# TYPE a counter ",
        b"# TYPE a  counter",
        b"# TYPE  ",
        b"# TYPE 9 counter",
        b"  # TYPE a zzz",
        b"# HELP ",
        b"# HELP a \xff",
        b"# HELP a\0b",
    ],
)
def test_a_wrong_line_refuses_the_page_and_is_named(line: bytes) -> None:
    with pytest.raises(PageRejected) as caught:
        read(b"# HELP ok fine\nok 1\n\n" + line + b"\nafter 1\n")
    assert caught.value.line == 4


@pytest.mark.parametrize(
    "line",
    [
        b"#",
        b"# any \xff thing",
        b"#TYPE a zzz",
        b"# TYPEa zzz",
        b"# HELP",
        b"# HELP a",
        b"# HELP a with \\n escapes",
        b"# EOF",
        b" \t ",
        b"   # note",
    ],
)
def test_comments_and_blank_lines_are_passed_over(line: bytes) -> None:
    reading = read(b"a 1\n" + line + b"\nb 2")
    assert [series.name for series in reading.series] == ["a", "b"]
    assert reading.types == {}


def test_types_are_given_for_families_with_and_without_samples() -> None:
    page = b"late 1\n# TYPE late gauge\n# TYPE none summary\n#\tTYPE\tb\tuntyped\n"
    page += b'# TYPE twice gauge\n# TYPE twice counter\n# TYPE "q.n" histogram\n'
    assert read(page).types == {
        "late": "gauge",
        "none": "summary",
        "b": "unknown",
        "twice": "counter",
        "q.n": "histogram",
    }


@pytest.mark.parametrize("end", [b"\0b 2\nc 3\n", b"  \0\nc 3", b"#\0\nc 3\n", b"#x\0\nc 3\n", b"# \0\nc 3\n"])
def test_a_nul_where_a_line_begins_ends_the_page(end: bytes) -> None:
    assert [series.name for series in read(b"a 1\n" + end).series] == ["a"]


def test_a_nul_inside_a_comment_does_not_end_the_page() -> None:
    page = b"a 1\n# x\0y\n# HELP b x\0y\nc 3\n"
    assert [series.name for series in read(page).series] == ["a", "c"]


@pytest.mark.parametrize("body", [b"", b"\n", b"\n \n\t"])
def test_an_empty_page_has_no_series(body: bytes) -> None:
    reading = read(body)
    assert (reading.series, reading.values, reading.timestamps) == ([], [], None)
    assert (reading.types, reading.duplicates, reading.openmetrics) == ({}, 0, False)


def test_an_empty_value_anywhere_removes_the_label() -> None:
    assert one(b'a{x="",x="2",y="3"} 1\n')[1] == {"y": "3"}


def test_an_open_quote_is_named_by_the_line_where_it_opens() -> None:
    with pytest.raises(PageRejected, match="label value in double quotes") as caught:
        read(b'a 1\nb{x="open} 2\nc 3\nd 4\n')
    assert caught.value.line == 2
