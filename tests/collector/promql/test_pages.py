"""From raw series to what a target said: the same series, the same labels, and the same moments as on its own page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.promql.api import Stream
from collector.promql.pages import Address, PageMaker
from collector.promql.wanted import expressions, up
from core.labels import make, with_target, without_target
from core.matchers import parse_selector
from storage.plan import MeasurePlan, SelectorMeasure

TARGET = {"job": "vllm", "instance": "a:1", "region": "eu"}


def _stream(name: str, samples: dict[int, float], **labels: str) -> Stream:
    return Stream(make({"__name__": name, **TARGET, **labels}), [t * 1000 for t in samples], list(samples.values()))


names = st.sampled_from(["job", "instance", "region", "model_name", "le"])


@given(own=st.dictionaries(names, st.sampled_from(["x", "y"]), max_size=5))
def test_the_page_s_own_labels_come_back_from_what_prometheus_made_of_them(own: dict[str, str]) -> None:
    stored = with_target(make(own), TARGET)
    assert without_target(make({**stored, "__name__": "n"}), TARGET) == make(own)


def test_a_scrape_is_what_has_the_time_of_up() -> None:
    hits = _stream("hits_total", {10: 1.0, 20: 2.0, 25: 9.0, 40: 4.0}, code="200")
    streams = [_stream("up", {10: 1.0, 20: 1.0, 30: 0.0, 40: 1.0}), hits, _stream("scrape_duration_seconds", {10: 0.1})]
    (span,) = PageMaker().read(streams, {})
    assert span.address == Address("a:1", "vllm")
    assert [page.time for page in span.pages] == [10, 20, 30, 40]
    assert [page.page and list(page.page.values) for page in span.pages] == [[1.0], [2.0], None, [4.0]]
    assert span.pages[0].page is not None
    assert [(one.name, one.labels) for one in span.pages[0].page.series] == [("hits_total", (("code", "200"),))]
    assert {page.labels for page in span.pages} == {make(TARGET)}
    assert (span.interval, span.strays, span.scraped) == (10.0, 1, True)


def test_a_good_scrape_of_nothing_that_is_read_is_a_page() -> None:
    (span,) = PageMaker().read([_stream("up", {10: 1.0})], {})
    assert span.pages[0].page is not None
    assert list(span.pages[0].page.values) == []


def test_without_up_every_time_is_a_page_of_job_and_instance() -> None:
    (span,) = PageMaker().read([_stream("hits_total", {10: 1.0, 40: 2.0})], {})
    assert [page.labels for page in span.pages] == [(("instance", "a:1"), ("job", "vllm"))] * 2
    assert not span.scraped


def test_what_is_known_of_a_target_holds_in_a_span_without_its_up() -> None:
    known = {Address("a:1", "vllm"): make(TARGET)}
    (span,) = PageMaker().read([_stream("hits_total", {10: 1.0, 40: 2.0})], known)
    assert span.pages == []
    assert span.strays == 2


def test_series_that_two_selectors_give_are_one_and_stay_the_same_objects() -> None:
    maker, hits = PageMaker(), _stream("hits_total", {10: 1.0})
    (first,) = maker.read([_stream("up", {10: 1.0}), hits, hits], {})
    (second,) = maker.read([_stream("up", {10: 1.0}), hits], {})
    assert first.pages[0].page is not None and second.pages[0].page is not None
    assert len(first.pages[0].page.series) == 1
    assert first.pages[0].page.series[0] is second.pages[0].page.series[0]


def test_what_is_asked_for_is_what_profiles_and_selectors_read() -> None:
    plan = MeasurePlan(
        selectors=(
            SelectorMeasure(selector='app_hits_total{code="500"}'),
            SelectorMeasure(selector="app_seconds", kind="histogram"),
            SelectorMeasure(selector='{__name__=~"odd.*",zone="n"}'),
        )
    )
    named, free = (parse_selector(text) for text in expressions(['{job="vllm"}'], plan))
    asked = (
        *("up", "process_start_time_seconds", "vllm:request_success_total", "vllm:request_success_created"),
        *("vllm:e2e_request_latency_seconds_bucket", "vllm:num_requests_waiting", "DCGM_FI_DEV_GPU_UTIL"),
        *("app_hits_total", "app_hits_created", "app_seconds_bucket", "app_seconds_created"),
    )
    assert all(named.matches(name, {"job": "vllm"}) for name in asked)
    others = (
        "vllm:cache_config_info",
        "go_goroutines",
        "app_seconds_sum",
        "app_other",
        "vllm:e2e_request_latency_seconds_sum",
    )
    assert not any(named.matches(name, {"job": "vllm"}) for name in others)
    assert not named.matches("up", {"job": "web"})
    assert free.matches("odd_one", {"job": "vllm", "zone": "n"}) and not free.matches("odd_one", {"zone": "n"})
    assert up(['{job="vllm"}']) == ['up{job="vllm"}']


def test_a_query_is_short_enough_for_every_server() -> None:
    assert all(len(text) < 8000 for text in expressions(['{job="vllm"}'], MeasurePlan()))  # 16 KiB in VictoriaMetrics
