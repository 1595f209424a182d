"""The protobuf page says what the text page of the same target says."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.exposition import PageReader, Reading
from collector.exposition.debug import describe
from collector.exposition.protobuf.metrics import number
from core.errors import PageRejected
from tests.collector.exposition.protobuf.made import (
    COUNTER,
    GAUGE,
    GAUGE_HISTOGRAM,
    HISTOGRAM,
    MEDIA,
    SUMMARY,
    UNTYPED,
    classic,
    family,
    native,
    page,
    varint,
)

TEXT = """\
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a\\"b"} 10
http_requests_total{code="500",path="/"} 2.5
# TYPE queue gauge
queue -3
# TYPE odd untyped
odd{a="1"} NaN
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} 0.25
rpc_seconds{quantile="0.99"} 1
rpc_seconds_sum 7.5
rpc_seconds_count 9
# TYPE ttft_seconds histogram
ttft_seconds_bucket{model="m",le="0.005"} 1
ttft_seconds_bucket{model="m",le="1"} 2
ttft_seconds_bucket{model="m",le="2.5e+06"} 3
ttft_seconds_bucket{model="m",le="+Inf"} 4
ttft_seconds_sum{model="m"} 9.5
ttft_seconds_count{model="m"} 4
"""
REQUESTS = [({"code": "200", "path": '/a"b'}, {"value": 10}), ({"path": "/", "code": "500"}, {"value": 2.5})]
QUANTILES = [{"quantile": 0.5, "value": 0.25}, {"quantile": 0.99, "value": 1}]
BUCKETS = [{"cumulative_count": n, "upper_bound": bound} for n, bound in ((1, 0.005), (2, 1), (3, 2.5e6))]
TTFT = {"sample_count": 4, "sample_sum": 9.5, "bucket": BUCKETS}
SAME = page(
    family("http_requests_total", COUNTER, *REQUESTS),
    family("queue", GAUGE, ({}, {"value": -3})),
    family("odd", UNTYPED, ({"a": "1"}, {"value": float("nan")})),
    family("rpc_seconds", SUMMARY, ({}, {"quantile": QUANTILES, "sample_sum": 7.5, "sample_count": 9})),
    family("ttft_seconds", HISTOGRAM, ({"model": "m"}, TTFT)),
)


def read(*families: Any) -> Reading:
    return PageReader().read(page(*families), MEDIA)


def shown(reading: Reading) -> dict[str, str]:
    return {repr(one): repr(value) for one, value in zip(reading.series, reading.values, strict=True)}


def test_both_pages_of_one_target_have_the_same_series_values_and_types() -> None:
    text, messages = PageReader().read(TEXT.encode(), "text/plain"), PageReader().read(SAME, MEDIA)
    assert shown(messages) == shown(text)
    assert list(shown(messages)) == list(shown(text))
    assert (messages.types, messages.timestamps, messages.duplicates) == (text.types, None, 0)
    assert all(one is other for one, other in zip(messages.series, text.series, strict=True)), "shared among targets"


def test_a_reader_hands_the_same_series_out_again_also_after_a_text_page() -> None:
    reader = PageReader()
    first, second = reader.read(SAME, MEDIA), reader.read(SAME, MEDIA)
    assert first.series is second.series
    assert first.types is second.types
    assert reader.read(b"a 1\n# EOF\n", "application/openmetrics-text").openmetrics
    between, third = reader.read(TEXT.encode(), "text/plain"), reader.read(SAME, MEDIA)
    assert not third.openmetrics
    assert between.series == third.series == first.series
    assert shown(reader.read(TEXT.replace("} 10", "} 11").encode(), "text/plain"))[
        'Series(http_requests_total{code="200", path="/a\\"b"})'
    ] == repr(11.0)


CREATED = {"created_timestamp": {"seconds": 1_800_000_000, "nanos": 5}}


@pytest.mark.parametrize("extra", [{}, CREATED])
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5), st.lists(st.text(max_size=200), max_size=3))
def test_values_that_change_are_read_as_a_new_reader_reads_them(
    extra: dict[str, Any], values: list[float], texts: list[str]
) -> None:
    reader = PageReader()
    for value in values:
        labels = {f"l{n}": text for n, text in enumerate(texts)}
        counters = [(labels | {"n": str(n)}, {"value": value, **extra}) for n in range(3)]
        body = page(
            family("a_total", COUNTER, *counters, ({}, {"value": value})),
            family("b", GAUGE, (labels, {"value": -value})),
        )
        again = reader.read(body, MEDIA)
        assert shown(again) == shown(PageReader().read(body, MEDIA))
        assert shown(again)["Series(a_total{})"] == repr(value)


def test_when_a_metric_was_created_is_a_series_beside_it() -> None:
    created = {"created_timestamp": {"seconds": 1_800_000_000, "nanos": 500_000_000}}
    found = shown(
        read(
            family("a_total", COUNTER, ({"x": "1"}, {"value": 1, **created})),
            family("h_seconds", HISTOGRAM, ({}, classic([0.3], [1.0]) | created)),
            family("h_total", HISTOGRAM, ({}, classic([0.3], [1.0]) | created)),
        )
    )
    assert "Series(h_total_created{})" in found
    assert found['Series(a_created{x="1"})'] == found["Series(h_seconds_created{})"] == repr(1_800_000_000.5)


def test_a_timestamp_belongs_to_every_series_of_its_metric() -> None:
    made = family("h_seconds", HISTOGRAM, ({}, classic([0.3], [1.0])))
    made.metric[0].timestamp_ms = 1000
    found = read(family("a", GAUGE, ({}, {"value": 1})), made)
    assert found.timestamps == [None, 1000, 1000, 1000, 1000]


def test_a_metric_that_offers_both_kinds_of_buckets_is_read_by_its_classic_ones() -> None:
    values = [0.2, 0.3, 4.0]
    both = family("x_seconds", HISTOGRAM, ({}, native(values, 3) | classic(values, [0.25, 1.0])))
    alone = family("x_seconds", HISTOGRAM, ({}, classic(values, [0.25, 1.0])))
    assert shown(read(both)) == shown(read(alone))


def test_a_native_histogram_without_observations_has_its_buckets() -> None:
    empty = {"sample_count": 0, "sample_sum": 0, "schema": 3, "positive_span": [{"offset": 0, "length": 0}]}
    assert len(read(family("x_seconds", HISTOGRAM, ({}, empty))).series) == 22 * 8 + 1 + 1 + 2


def test_neither_kind_of_bucket_leaves_the_count_alone() -> None:
    found = shown(read(family("x_seconds", HISTOGRAM, ({}, {"sample_count": 3, "sample_sum": 1}))))
    assert found == {
        'Series(x_seconds_bucket{le="+Inf"})': "3.0",
        "Series(x_seconds_sum{})": "1.0",
        "Series(x_seconds_count{})": "3.0",
    }


def test_what_is_not_in_seconds_has_bounds_up_to_millions() -> None:
    found = read(family("tokens", HISTOGRAM, ({}, native([1e6], 3)))).series
    assert dict(found[-4].labels)["le"] == "4.194304e+06"
    named = read(family("x", HISTOGRAM, ({}, native([1.0], 3)), unit="seconds")).series
    assert dict(named[-4].labels)["le"] == "4096"


def test_histograms_that_may_fall_are_left_out() -> None:
    found = read(family("g", GAUGE_HISTOGRAM, ({}, classic([1.0], [2.0]))), family("a", GAUGE, ({}, {"value": 1})))
    assert [one.name for one in found.series] == ["a"]
    assert found.types["g"] == "gaugehistogram"


def test_a_metric_that_stands_twice_is_read_once() -> None:
    found = read(family("a", GAUGE, ({}, {"value": 1}), ({}, {"value": 2})))
    assert (found.values, found.duplicates) == ([1.0], 1)


def test_fields_of_later_versions_are_passed_over() -> None:
    body = family("a", GAUGE, ({}, {"value": 1})).SerializeToString() + b"\xfa\x01\x03abc\x12\x04help"
    assert PageReader().read(varint(len(body)) + body, MEDIA).values == [1.0]


def test_differences_are_read_whether_they_are_packed_as_python_sends_them_or_not_as_go_does() -> None:
    made = native([0.3, 0.3, 0.35], 3, 0.0)
    packed = page(family("x_seconds", HISTOGRAM, ({}, made)))
    deltas = b"\x6a\x02\x04\x01"  # field 13 with a length: two observations, and one fewer
    assert packed.count(deltas) == 1
    single = packed.replace(deltas, b"\x68\x04\x68\x01")  # field 13 twice, without one: as long
    assert shown(PageReader().read(single, MEDIA)) == shown(PageReader().read(packed, MEDIA))
    assert shown(PageReader().read(single, MEDIA))['Series(x_seconds_bucket{le="0.5"})'] == "3.0"


ONE = page(family("a", GAUGE, ({}, {"value": 1})))
LABELLED = page(family("a", GAUGE, ({"x": "1"}, {"value": 1})))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (ONE + b"\x05abc", "message 2: it is said to have 5 bytes, and 3 follow"),
        (ONE + b"\xff" * 11, "message 2: its length cannot be read"),
        (b"\x80", "message 1: its length cannot be read"),
        (b"\x03abc", "message 1: it is no MetricFamily"),
        (b"a 1\n", "message 1: it is said to have 97 bytes"),
        (b"\x00", "message 1: it has no name"),
        (b"\x04\x0a\x01a\x22", "message 1: its length cannot be read"),
        (b"\x06\x0a\x01a\x22\x02\x00", "message 1: its last metric is cut off"),
        (b"\x05\x0a\x01a\x19\x00", "message 1: it is no MetricFamily"),
        (b"\x05\x0a\x01a\x1c\x00", "message 1: it is no MetricFamily"),
        (b"\x04\x0a\x02a\xff", "message 1: it is no MetricFamily"),
        (
            page(family("a", GAUGE, ({"x": "1"}, {"value": 1}))).replace(b"x\x12\x011", b"x\x12\x01\xff"),
            "message 1: it is no Metric$",
        ),
        (b"\x05\x0a\x01a\x18\x09", "message 1: a has the type 9"),
        (page(family("a", COUNTER)) + b"\x07\x0a\x01a\x18\x00\x22\x00", "message 2: a metric of a has no value"),
        (page(family("a", GAUGE, ({"__name__": "b"}, {"value": 1}))), "a metric of a has a label twice"),
        (page(family("a", HISTOGRAM, ({}, native([1.0], 9)))), "a has the schema 9"),
        (page(family("a", HISTOGRAM, ({}, native([1.0], 3, positive_delta=[1, 2])))), "other buckets than its spans"),
        (
            page(family("a", HISTOGRAM, ({}, native([1.0], 3, positive_span=[{"offset": 0, "length": 2**32 - 1}])))),
            "other buckets than its spans",
        ),
    ],
)
def test_a_page_with_one_wrong_message_is_refused_and_the_message_is_named(body: bytes, message: str) -> None:
    with pytest.raises(PageRejected, match=message):
        PageReader().read(body, MEDIA)


def test_a_label_twice_is_refused() -> None:
    made = family("a", GAUGE, ({"x": "1"}, {"value": 1}))
    made.metric[0].label.add(name="x", value="2")
    with pytest.raises(PageRejected, match="label twice"):
        read(made)


def test_a_bucket_has_no_other_bound_beside_its_own() -> None:
    with pytest.raises(PageRejected, match="label twice"):
        read(family("x_seconds", HISTOGRAM, ({"le": "1"}, native([0.3], 3))))


def test_a_label_without_a_value_is_none() -> None:
    assert [repr(one) for one in read(family("a", GAUGE, ({"x": ""}, {"value": 1}))).series] == ["Series(a{})"]


@given(st.binary(max_size=60), st.integers(0, 40))
def test_any_bytes_are_read_or_refused(noise: bytes, at: int) -> None:
    for body in (noise, SAME[:at] + noise + SAME[at:], varint(len(noise)) + noise):
        with suppress(PageRejected):
            PageReader().read(body, MEDIA)


def test_people_see_what_was_understood() -> None:
    found = describe(ONE, MEDIA)
    assert found == {"series": [{"name": "a", "labels": {}, "value": 1.0, "timestamp": None}], "errors": []}
    assert describe(b"\x80", MEDIA)["errors"] == [{"line": 1, "message": "its length cannot be read"}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.005, "0.005"),
        (2.5, "2.5"),
        (100000.0, "100000"),
        (123456.5, "123456.5"),
        (1e6, "1e+06"),
        (1234567.0, "1.234567e+06"),
        (1e-4, "0.0001"),
        (1.5e-5, "1.5e-05"),
        (1e100, "1e+100"),
        (-0.25, "-0.25"),
        (float("inf"), "+Inf"),
    ],
)
def test_numbers_in_labels_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_in_labels_are_exact(value: float) -> None:
    assert float(number(value)) == value
