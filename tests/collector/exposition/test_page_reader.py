"""What holds from one page of a target to the next."""

from __future__ import annotations

import tracemalloc

import pytest

from collector.exposition import PageReader, Series
from collector.exposition.openmetrics import OpenMetricsFormat
from collector.exposition.text import TextFormat
from core.errors import PageRejected
from tests.collector.exposition.test_properties import ScanningReader

TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_the_same_series_is_the_same_object_on_every_page() -> None:
    reader = PageReader()
    first = reader.read(b'a{x="1"} 1\nb 2\n', TEXT).series
    second = reader.read(b'b 3\nc 1\na{x="1"} 9 1700000000000\na{x="1"}  9\n', TEXT).series
    assert second[0] is first[1]
    assert second[2] is first[0]
    assert second[3] is first[0]


def test_two_spellings_of_one_series_are_one_object() -> None:
    reader = PageReader()
    first = reader.read(b'a{x="1",y="2"} 1\n', TEXT).series
    assert reader.read(b'a{y="2",x="1",z=""} 1\n', TEXT).series[0] is first[0]
    assert reader.read(b'a{y="2",x="1"} 1\n# EOF\n', OPENMETRICS).series[0] is first[0]


def test_the_same_layout_gives_the_same_list_with_new_values() -> None:
    reader = PageReader()
    first = reader.read(b"# TYPE a gauge\na 1\nb 2\n", TEXT)
    second = reader.read(b"# TYPE a gauge\na 3\nb NaN\n", TEXT)
    assert second.series is first.series
    assert second.values[0] == 3.0
    assert first.values == [1.0, 2.0]
    assert second.types == {"a": "gauge"}


@pytest.mark.parametrize(("content_type", "odd"), [(TEXT, b"e  1\nf\t 1\n\n"), (OPENMETRICS, b"")])
def test_a_known_page_is_read_without_the_grammar(
    content_type: str, odd: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = PageReader()
    page = b'# TYPE a gauge\na{x="1 2"} 1\nb{} 1\n{"c d"} 1\n' + odd + b"# EOF\n"
    known = reader.read(page, content_type)
    for each in (TextFormat, OpenMetricsFormat):
        for stage in ("sample", "comment", "scan"):
            monkeypatch.delattr(each, stage)
    again = reader.read(page.replace(b" 1\n", b" 2\n"), content_type)
    assert again.series is known.series
    assert set(again.values) == {2.0}


def test_lines_that_come_go_and_move_do_not_make_a_page_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    page = [f'm{{le="{n}"}} {n}' for n in range(1500)]
    page.insert(700, "# TYPE m gauge")
    reader = PageReader()
    reader.read("\n".join(page).encode(), None)
    monkeypatch.setattr(PageReader, "_by_series", lambda *_: pytest.fail("the page was read anew"))
    for place in (0, 511, 512, 513, 1400, len(page)):
        page[place:place] = [f'new{{at="{place} {n}"}} {n}' for n in range(20)]
        page[300:310] = []
        page.insert(1200, page.pop(40))
        page[900] = page[900].rpartition(" ")[0] + " 0.25"
        body = "\n".join(page).encode()
        reading, anew = reader.read(body, None), ScanningReader().read(body, None)
        assert [(one.name, one.labels) for one in reading.series] == [(one.name, one.labels) for one in anew.series]
        assert reading.values == anew.values


@pytest.mark.parametrize("line", [b'a{x="1"}5\n', b'a{x="1"}\t5\n', b'a{x="1"}5 \n'])
def test_a_series_without_a_space_behind_it_is_not_learnt_too_short(line: bytes) -> None:
    reader = PageReader()
    assert [reader.read(line, TEXT).values for _ in range(2)] == [[5.0], [5.0]]
    with pytest.raises(PageRejected):
        reader.read(b'a{x="1" 5\n', TEXT)


def test_a_changed_type_line_is_seen_on_a_warm_page() -> None:
    reader = PageReader()
    first = reader.read(b"# TYPE a gauge\na 1\n", TEXT)
    assert reader.read(b"# TYPE a counter\na 1\n", TEXT).types == {"a": "counter"}
    assert reader.read(b"a 1\n", TEXT).types == {}
    assert first.types == {"a": "gauge"}


def test_what_text_allows_is_not_carried_into_openmetrics() -> None:
    reader = PageReader()
    reader.read(b'a {x="1"} 1\nb  2\n', TEXT)
    reader.read(b'a {x="1"} 1\nb  2\n', TEXT)
    for line in (b'a {x="1"} 1\n', b"b  2\n"):
        with pytest.raises(PageRejected):
            reader.read(line + b"# EOF\n", OPENMETRICS)


def test_an_exemplar_that_repeats_the_value_is_not_taken_for_the_value() -> None:
    reader = PageReader()
    for value, exemplar in ((5, 5), (6, 7), (8, 8)):
        reading = reader.read(f'a_total {value} # {{t="1"}} {exemplar}\n# EOF\n'.encode(), OPENMETRICS)
        assert reading.values == [value]


def test_a_timestamp_that_repeats_the_value_is_not_taken_for_the_value() -> None:
    reader = PageReader()
    for value, stamp in ((5, 5), (6, 7), (8, 8)):
        reading = reader.read(f"a {value} {stamp}\n".encode(), TEXT)
        assert (reading.values, reading.timestamps) == ([value], [stamp])


@pytest.mark.parametrize(
    ("page", "values", "stamps", "dropped"),
    [
        (b"a 1\na 2\nb 3\na 1\n", [1.0, 3.0], None, 2),
        (b'a{x="1",y="2"} 1\na{y="2",x="1"} 2\n', [1.0], None, 1),
        (b"a 1 10\na 2 20\na 3 10\n", [1.0, 2.0], [10, 20], 1),
        (b"a 1\na 2 20\na 3\n", [1.0, 2.0], [None, 20], 1),
    ],
)
def test_the_first_of_repeated_samples_counts(
    page: bytes, values: list[float], stamps: list[int | None] | None, dropped: int
) -> None:
    reader = PageReader()
    for _ in range(3):
        reading = reader.read(page, TEXT)
        assert (reading.values, reading.timestamps, reading.duplicates) == (values, stamps, dropped)
        assert len(reading.series) == len(values)


def test_a_page_after_one_with_timestamps_still_drops_repeats() -> None:
    reader = PageReader()
    assert reader.read(b"a 1 10\na 2 20\n", TEXT).duplicates == 0
    assert reader.read(b"a 1\na 2\n", TEXT).duplicates == 1


def test_a_refused_page_leaves_the_reader_as_it_was() -> None:
    reader = PageReader()
    first = reader.read(b"a 1\n", TEXT)
    with pytest.raises(PageRejected):
        reader.read(b"a 1\nb 2\nc x\n", TEXT)
    assert reader.read(b"a 2\n", TEXT).series is first.series


def live_objects(reader: PageReader) -> int:
    """Series that the reader's caches hold."""
    held = vars(reader).values()
    return max(len(each) for each in held if isinstance(each, dict))


@pytest.mark.parametrize("ending", ["", "broken\n"])
def test_a_target_that_invents_series_does_not_fill_the_memory(ending: str) -> None:
    reader = PageReader()
    stable = reader.read(b"stable 1\n", TEXT).series[0]
    most = 2 * 301 + 1000
    for page in range(20):
        lines = "".join(f'a{{run="{page}",n="{n}"}} 1\n' for n in range(300))
        if ending:
            with pytest.raises(PageRejected):
                reader.read(f"stable 1\n{lines}{ending}".encode(), TEXT)
        else:
            assert reader.read(f"stable 1\n{lines}".encode(), TEXT).series[0] is stable
        assert live_objects(reader) <= most
    assert reader.read(b"stable 2\n", TEXT).series[0] is stable


@pytest.mark.parametrize(
    ("content_type", "openmetrics"),
    [
        ("text/plain", False),
        ("text/plain; version=1.0.0; charset=utf-8", False),
        ("TEXT/PLAIN;version=0.0.4", False),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", True),
        (None, True),
        ("", True),
    ],
)
def test_the_content_type_decides_the_format(content_type: str | None, openmetrics: bool) -> None:
    assert PageReader().read(b"a 1\n# EOF\n", content_type).openmetrics is openmetrics


@pytest.mark.parametrize("body", [b"", b"a 1\n", b"a 1\n# EOF\nb 2\n", b"a 1\n# EOF\n\n", b"a 1\n## EOF", b"a 1\n#EOF"])
def test_without_a_content_type_only_a_closing_eof_means_openmetrics(body: bytes) -> None:
    assert not PageReader().read(body, None).openmetrics


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json", "application/x-protobuf"])
def test_another_content_type_is_refused_by_name(content_type: str) -> None:
    with pytest.raises(PageRejected, match=content_type.partition(";")[0]) as caught:
        PageReader().read(b"a 1\n", content_type)
    assert caught.value.line == 1


def test_a_series_shows_its_labels() -> None:
    assert repr(Series("a", (("x", "1"),))) == 'Series(a{x="1"})'


@pytest.mark.parametrize(
    "body",
    [
        b'a{x="' + b'y\\"' * 300_000,
        b'a{x="\n' * 100_000,
        b"a{" * 300_000,
        b"a{" + b'""' * 300_000,
        b"a" + b" " * 600_000 + b"1 x",
        b"#\n" * 200_000 + b"a",
        b"a " + b"9" * 600_000,
        b'a{x="1" 1\n' * 50_000,
        b'{"a"' + b',"b"' * 100_000 + b"} 1",
        b"# TYPE " + b" " * 600_000,
    ],
)
@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
@pytest.mark.timeout(10)
def test_hostile_pages_are_refused_in_linear_time(body: bytes, content_type: str) -> None:
    with pytest.raises(PageRejected):
        PageReader().read(body, content_type)


@pytest.mark.parametrize("beside", [b"b 2\n", b"b 2 1700000000000\n", b"b\t2\n", b"\0"])
def test_a_target_that_invents_long_labels_does_not_fill_the_memory(beside: bytes) -> None:
    reader, length = PageReader(), 300_000
    tracemalloc.start()
    try:
        for n in range(60):
            page = b'a{x="%d%s"} 1\n' % (n, b"x" * length) + beside
            reader.read(page, TEXT)
        assert tracemalloc.get_traced_memory()[0] < 30 * length
    finally:
        tracemalloc.stop()
