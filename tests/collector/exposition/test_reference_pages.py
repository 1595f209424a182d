"""The verdicts of other authorities on a shared corpus, and the official Python parser on real pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.exposition import PageReader
from core.errors import PageRejected
from core.labels import make

DATA = Path(__file__).parents[4] / "shared" / "data"
CORPUS = DATA / "exposition-corpus"
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Deviation(NamedTuple):
    """Cases whose authority judges otherwise than Prometheus's server, and why."""

    stem: str
    numbers: str  # like "0-3 7"; empty for a file without a number
    reason: str

    def files(self) -> list[str]:
        spans = [span.partition("-") for span in self.numbers.split()]
        width = 2 if self.stem in ("error", "parse") else 1
        numbers = [n for first, _, last in spans for n in range(int(first), int(last or first) + 1)]
        return [f"{self.stem}_{n:0{width}}.txt" for n in numbers] or [f"{self.stem}.txt"]


# The server judges each line by itself; the specification also judges families.
OPENMETRICS_DEVIATIONS = [
    Deviation("bad_clashing_names", "0-2", "names are not compared between families"),
    Deviation("bad_counter_values", "0-19", "a value is any number, whatever the type"),
    Deviation("bad_exemplar_complex_chars", "", "the length of an exemplar is not limited"),
    Deviation("bad_exemplars", "6", "the length of an exemplar is not limited"),
    Deviation("bad_exemplars_on_unallowed_metric_types", "0-2", "since 3.0 any sample may carry an exemplar"),
    Deviation("bad_exemplars_on_unallowed_samples", "0-3", "since 3.0 any sample may carry an exemplar"),
    Deviation("bad_grouping_or_ordering", "0 2-10", "order and time order are not checked"),
    Deviation("bad_histograms", "0-3 6-14", "a histogram need not be complete"),
    Deviation("bad_info_and_stateset_values", "0-1", "a value is any number, whatever the type"),
    Deviation("bad_metadata_in_wrong_place", "0-2", "metadata may follow samples"),
    Deviation("bad_missing_or_extra_commas", "2", "since 3.0 a trailing comma is allowed"),
    Deviation("bad_missing_or_invalid_labels_for_a_type", "0-7", "labels are not compared with the type"),
    Deviation("bad_repeated_metadata", "0-1 3", "metadata may be repeated"),
    Deviation("bad_stateset_info_values", "0-3", "a value is any number, whatever the type"),
    Deviation("bad_unit", "6-7", "a unit may stand on any type"),
]
TEXT_DEVIATIONS = [
    Deviation("parse", "3", "a timestamp is digits only, so never negative"),
    Deviation("parse", "15-17", "text knows no gaugehistogram"),
    Deviation("error", "0", "the final line break may be missing"),
    Deviation("error", "1 36 38", "an unknown escape stays as written"),
    Deviation("error", "2 39-40", "quoted text may hold line breaks"),
    Deviation("error", "7 19 32-33", "le and quantile are not read"),
    Deviation("error", "12-14", "metadata may be repeated and may follow samples"),
    Deviation("error", "43-46", "counts of histograms are not judged"),
]


def corpus() -> list[dict[str, Any]]:
    if not CORPUS.is_dir():
        pytest.skip("the shared exposition corpus is not here")
    cases: list[dict[str, Any]] = json.loads((CORPUS / "expected.json").read_text())["cases"]
    return cases


@pytest.mark.parametrize(
    ("part", "content_type", "deviations", "cases"),
    [
        ("openmetrics", OPENMETRICS, OPENMETRICS_DEVIATIONS, 211),
        ("prom-common", TEXT, TEXT_DEVIATIONS, 67),
    ],
)
def test_the_corpus_is_judged_as_its_authority_does_but_for_the_listed_deviations(
    part: str, content_type: str, deviations: list[Deviation], cases: int
) -> None:
    verdicts = {
        Path(case["file"]).name: case["expect"].startswith("accept")
        for case in corpus()
        if case["file"].startswith(f"{part}/")
    }
    assert len(verdicts) == cases
    differ = {name for name, verdict in verdicts.items() if accepted(CORPUS / part / name, content_type) != verdict}
    assert differ == {name for deviation in deviations for name in deviation.files()}


def accepted(path: Path, content_type: str) -> bool:
    try:
        PageReader().read(path.read_bytes(), content_type)
    except PageRejected:
        return False
    return True


def test_the_line_of_an_error_is_the_authoritys() -> None:
    deviating = {name for deviation in TEXT_DEVIATIONS for name in deviation.files()}
    named = 0
    for case in corpus():
        name, line = Path(case["file"]).name, (case["error"] or "").partition("in line ")[2].partition(":")[0]
        if line and case["expect"] == "reject" and name not in deviating:
            with pytest.raises(PageRejected) as caught:
                PageReader().read((CORPUS / case["file"]).read_bytes(), TEXT)
            assert caught.value.line == int(line), name
            named += 1
    assert named == 28


def real_pages() -> list[Path]:
    pages = [*(DATA / "serving-pages").rglob("*.*"), *(DATA / "live-pages").rglob("*.*")]
    return sorted(path for path in pages if path.suffix == ".prom" or path.name.endswith(".openmetrics.txt"))


Samples = list[tuple[str, tuple[tuple[str, str], ...], str]]


def by_the_official_parser(path: Path) -> Samples:
    """Samples without `_total`, which that parser appends to counters that lack it.

    Its classic parser reads all pages: its OpenMetrics parser refuses a page of prometheus_client's own making whose
    metadata has other names than its samples.
    """
    samples = [sample for family in text_string_to_metric_families(path.read_text()) for sample in family.samples]
    return sorted((s.name.removesuffix("_total"), make(s.labels), repr(float(s.value))) for s in samples)


def by_this_reader(path: Path) -> Samples:
    reading = PageReader().read(path.read_bytes(), OPENMETRICS if ".openmetrics." in path.name else TEXT)
    assert reading.duplicates == 0
    pairs = zip(reading.series, reading.values, strict=True)
    return sorted((series.name.removesuffix("_total"), series.labels, repr(value)) for series, value in pairs)


@pytest.mark.skipif(not real_pages(), reason="the shared pages of serving engines are not here")
def test_real_pages_hold_what_the_official_parser_finds() -> None:
    refused = []
    for path in real_pages():
        try:
            ours = by_this_reader(path)
        except PageRejected as error:
            refused.append((path.name, error.line, error.message))
            continue
        assert ours == by_the_official_parser(path), path.name
    # An old llama.cpp prints C's -nan, which Prometheus refuses.
    assert refused == [("1-pr11915-before-nan.prom", 18, "expected a number as value, found '-nan'")]
