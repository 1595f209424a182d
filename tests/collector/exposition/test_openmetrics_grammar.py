"""What Prometheus's OpenMetrics parser accepts and refuses."""

from __future__ import annotations

import pytest

from collector.exposition import PageReader, Reading
from core.errors import PageRejected

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def read(body: bytes) -> Reading:
    return PageReader().read(body, OPENMETRICS)


@pytest.mark.parametrize(
    "line",
    [
        b'a_total{x="1"} 2',
        b'a_total{x="1",} 2',
        b'{"a_total",x="1"} 2',
        b'a_total{"x"="1"} 2',
        b'a_total{x="1"} 2 # {t="abc"} 0.5',
        b'a_total{x="1"} 2 # {t="abc",u="d",} 0.5 1700000000.5',
        b'a_total{x="1"} 2 # {} 1',
        b'a_total{x="1"} 2 # {"quoted.name"="x"} NaN -1',
    ],
)
def test_a_sample_is_read_and_its_exemplar_dropped(line: bytes) -> None:
    reading = read(line + b"\n# EOF\n")
    assert [(series.name, series.labels) for series in reading.series] == [("a_total", (("x", "1"),))]
    assert (reading.values, reading.timestamps, reading.openmetrics) == ([2.0], None, True)


@pytest.mark.parametrize(
    ("token", "milliseconds"),
    [
        (b"1700000000", 1700000000000),
        (b"1.5", 1500),
        (b"-0.25", -250),
        (b"1.0019", 1001),
        (b"1e300", 2**63 - 1),
        (b"-1e308", -(2**63)),
    ],
)
def test_timestamps_are_seconds_with_a_fraction(token: bytes, milliseconds: int) -> None:
    assert read(b"a 1 " + token + b"\nb 2\n# EOF").timestamps == [milliseconds, None]


def test_a_timestamp_and_an_exemplar_may_stand_together() -> None:
    assert read(b'a_total 1 5.5 # {x="1"} 1 2\n# EOF\n').timestamps == [5500]


@pytest.mark.parametrize(
    ("line", "types"),
    [
        (b"# TYPE a gaugehistogram", {"a": "gaugehistogram"}),
        (b"# TYPE a info", {"a": "info"}),
        (b"# TYPE a stateset", {"a": "stateset"}),
        (b"# TYPE a unknown", {"a": "unknown"}),
        (b'# TYPE "a.b" counter', {"a.b": "counter"}),
        (b"# HELP a ", {}),
        (b"# HELP a with \\n and \\ and \0", {}),
        (b"# UNIT a_seconds seconds", {}),
        (b"# UNIT a ", {}),
    ],
)
def test_metadata(line: bytes, types: dict[str, str]) -> None:
    assert read(line + b"\na 1\n# EOF\n").types == types


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"a",
        b"a  1",
        b" a 1",
        b"a\t1",
        b"a 1 ",
        b"a 1 2 3",
        b"a 1 nan",
        b"a 1 Inf",
        b"a 1 1_0",
        b"a -nan",
        b"a 1\r",
        b'a{ x="1"} 1',
        b'a {x="1"} 1',
        b'a{x="1"y="2"} 1',
        b'a{x="1", y="2"} 1',
        b'a{x="1"}1',
        b"a{x} 1",
        b"{a} 1",
        b'a{x="1\n2"} 1',
        b'a{x="1",x="2"} 1',
        b"# note",
        b"#",
        b"#  TYPE a counter",
        b"#\tTYPE a counter",
        b"# TYPE a untyped",
        b"# TYPE a counter ",
        b"# TYPE a=counter",
        b"# HELP a",
        b"# HELP a \xff",
        b"# UNIT a seconds",
        b"# UNIT aseconds seconds",
        b"a 1 #",
        b"a 1 # x",
        b'a 1 # {x="1"}',
        b"a 1 # {x} 1",
        b'a 1 # {"x"} 1',
        b"a 1 # {,} 1",
        b'a 1 # {x="1",,} 1',
        b'a 1 # {x="1"y="2"} 1',
        b'a 1 # {x="1"} 1_0',
        b'a 1 # {x="1"} 1 nan',
        b'a 1 # {x="1"} 1 2 3',
        b'a 1 # {x="\xff"} 1',
        b'a 1 # {x="\0"} 1',
    ],
)
def test_a_wrong_line_refuses_the_page_and_is_named(line: bytes) -> None:
    with pytest.raises(PageRejected) as caught:
        read(b"# HELP ok fine\nok 1\n" + line + b"\nafter 1\n# EOF\n")
    assert caught.value.line == 3


def test_an_exemplar_on_a_line_of_its_own_is_refused() -> None:
    with pytest.raises(PageRejected) as caught:
        read(b'a_total 1\n # {x="1"} 1\n# EOF\n')
    assert caught.value.line == 2


@pytest.mark.parametrize("body", [b"# EOF", b"# EOF\n", b"a 1\n# EOF"])
def test_the_final_line_break_may_be_missing(body: bytes) -> None:
    assert read(body).openmetrics


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", 1),
        (b"a 1", 1),
        (b"a 1\n", 2),
        (b"a 1\n# EOF\n\n", 3),
        (b"# EOF\na 1\n# EOF\n", 2),
        (b"a 1\n# EOFx\n", 2),
        (b"a 1\n#EOF\n", 2),
        (b" # EOF", 1),
    ],
)
def test_eof_must_be_there_and_last(body: bytes, line: int) -> None:
    with pytest.raises(PageRejected) as caught:
        read(body)
    assert caught.value.line == line


@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_samples_of_another_type_than_declared_are_no_error(kind: str) -> None:
    page = f"a 1\n# TYPE a {kind}\na_x 2\n# TYPE a gauge\n# EOF\n".encode()
    assert read(page).types == {"a": "gauge"}
