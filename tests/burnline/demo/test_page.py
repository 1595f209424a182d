from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.utils import floatToGoString

from burnline.demo.engine import Finished, Outcome
from burnline.demo.families import ITL
from burnline.demo.page import Meters, Page, ProcessFigures, number

REAL_PAGES = Path(__file__).parents[4] / "shared" / "data" / "live-pages"

REQUEST_TIME = (
    "0.3 0.5 0.8 1.0 1.5 2.0 2.5 5.0 10.0 15.0 20.0 30.0 40.0 50.0 60.0 120.0 240.0 480.0 960.0 1920.0 7680.0"
)
ITL_BOUNDS = "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1.0 2.5 5.0 7.5 10.0 20.0 40.0 80.0"
TTFT = "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1.0 2.5 5.0 7.5 10.0 20.0 40.0 80.0 160.0 640.0 2560.0"
# Their buckets depend on the longest request that the model takes.
BY_MODEL_LENGTH = {
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
    "vllm:request_max_num_generation_tokens",
    "vllm:request_params_max_tokens",
    "vllm:request_prefill_kv_computed_tokens",
}
FIGURES = ProcessFigures(1.7954e9, 1.5, 10**9, 10**8, 20, 1024, ((1, 0, 1), (2, 0, 1), (3, 0, 1)))


def finished(outcome: Outcome, **changes) -> Finished:
    cells = [0] * (len(ITL) + 1)
    cells[1] = 4
    whole = Finished(0, outcome, 30, 5, 0.01, 0.2, 0.19, 0.05, 0.25, cells, 0.05, 0)
    return whole._replace(**changes)


def page_after(*requests: Finished) -> bytes:
    meters = Meters()
    for request in requests:
        meters.count_request(request, 100)
        meters.count_http("/v1/completions", "POST", 200, request.e2e, 500)
    meters.count_http("none", "GET", 404, 0.0, 0)
    meters.set_process(FIGURES)
    return Page("m", 1.7954e9).render(meters)


def samples(page: bytes) -> dict[tuple[str, frozenset], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def value(page: bytes, name: str, **labels: str) -> float:
    found = [v for (n, own), v in samples(page).items() if n == name and labels.items() <= dict(own).items()]
    assert len(found) == 1, f"{name} {labels}: {len(found)} samples"
    return found[0]


def shape(page: str) -> dict[str, tuple[str, frozenset[str]]]:
    """For each sample name of a page its type and the names of its labels."""
    result = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            result[sample.name] = (family.type, frozenset(sample.labels))
    return result


def bounds(page: str) -> dict[str, list[str]]:
    result: dict[str, dict[str, None]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if "le" in sample.labels:
                result.setdefault(family.name, {})[sample.labels["le"]] = None
    return {name: list(found) for name, found in result.items()}


def test_all_finish_reasons_stand_at_zero_from_the_start():
    page = Page("m", 1.0).render(Meters())
    for reason in ("stop", "length", "abort", "error", "repetition"):
        assert value(page, "vllm:request_success_total", finished_reason=reason, model_name="m", engine="0") == 0


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("vllm:time_to_first_token_seconds", TTFT),
        ("vllm:inter_token_latency_seconds", ITL_BOUNDS),
        ("vllm:request_time_per_output_token_seconds", ITL_BOUNDS),
        ("vllm:e2e_request_latency_seconds", REQUEST_TIME),
        ("vllm:request_queue_time_seconds", REQUEST_TIME),
        ("vllm:request_inference_time_seconds", REQUEST_TIME),
        ("vllm:request_prefill_time_seconds", REQUEST_TIME),
        ("vllm:request_decode_time_seconds", REQUEST_TIME),
        ("vllm:iteration_tokens_total", "1.0 8.0 16.0 32.0 64.0 128.0 256.0 512.0 1024.0 2048.0 4096.0 8192.0 16384.0"),
    ],
)
def test_buckets_are_those_of_vllm(family, expected):
    assert bounds(page_after().decode())[family] == [*expected.split(), "+Inf"]


def test_families_types_labels_and_buckets_are_those_of_a_real_page():
    file = REAL_PAGES / "vllm-0.32-cpu-saturated.prom"
    if not file.exists():
        pytest.skip("no real vLLM page beside this checkout")
    real, ours = file.read_text(), page_after(finished(Outcome.STOP)).decode()
    info = {"vllm:cache_config_info"}  # its labels are settings, which differ
    assert {k: v for k, v in shape(ours).items() if k not in info} == {
        k: v for k, v in shape(real).items() if k not in info
    }
    assert shape(ours)["vllm:cache_config_info"][1] <= shape(real)["vllm:cache_config_info"][1]
    wanted = {name: found for name, found in bounds(real).items() if name not in BY_MODEL_LENGTH}
    assert {name: found for name, found in bounds(ours).items() if name not in BY_MODEL_LENGTH} == wanted


def test_an_idle_page_has_the_families_of_a_real_idle_page_in_the_same_order():
    file = REAL_PAGES / "vllm-0.32-cpu-idle.prom"
    if not file.exists():
        pytest.skip("no real vLLM page beside this checkout")
    ours = Page("m", 1.0).render(Meters()).decode()

    def types(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("# TYPE")]

    assert types(ours) == types(file.read_text())


def test_a_finished_request_is_in_every_family_once():
    page = page_after(finished(Outcome.STOP))
    assert value(page, "vllm:request_success_total", finished_reason="stop") == 1
    assert value(page, "vllm:prompt_tokens_total") == 30
    assert value(page, "vllm:generation_tokens_total") == 5
    assert value(page, "vllm:inter_token_latency_seconds_count") == 4
    assert value(page, "vllm:time_to_first_token_seconds_bucket", le="0.1") == 0
    assert value(page, "vllm:time_to_first_token_seconds_bucket", le="0.25") == 1
    assert value(page, "vllm:request_inference_time_seconds_sum") == pytest.approx(0.24)
    assert value(page, "vllm:request_time_per_output_token_seconds_sum") == pytest.approx(0.05 / 4)
    assert value(page, "http_requests_total", handler="/v1/completions", method="POST", status="2xx") == 1
    assert value(page, "http_requests_total", handler="none", method="GET", status="4xx") == 1


def test_what_a_request_never_had_is_not_observed():
    page = page_after(finished(Outcome.ABORT, ttft=None, prefill=None, decode=None, generated_tokens=0))
    assert value(page, "vllm:request_success_total", finished_reason="abort") == 1
    assert value(page, "vllm:time_to_first_token_seconds_count") == 0
    assert value(page, "vllm:request_decode_time_seconds_count") == 0
    assert value(page, "vllm:e2e_request_latency_seconds_count") == 1


def test_buckets_are_cumulative_and_end_at_the_count():
    page = page_after(*(finished(Outcome.STOP, ttft=seconds) for seconds in (0.001, 0.0011, 0.3, 9999.0)))
    cumulative = [
        value(page, "vllm:time_to_first_token_seconds_bucket", le=le) for le in ("0.001", "0.005", "0.5", "2560.0")
    ]
    assert cumulative == [1, 2, 3, 3]
    assert value(page, "vllm:time_to_first_token_seconds_bucket", le="+Inf") == 4
    assert value(page, "vllm:time_to_first_token_seconds_count") == 4


def test_a_percent_sign_in_a_label_survives_the_template():
    page = Page("50%s", 1.0).render(Meters())
    assert value(page, "vllm:num_requests_running", model_name="50%s") == 0


@given(st.one_of(st.integers(0, 10**9).map(float), st.floats(0, 9e9)))
def test_numbers_are_written_as_prometheus_client_writes_them(count):
    assert number(count) == floatToGoString(count)
    assert float(number(count)) == count


@given(st.floats(1e10, 1e300))
def test_large_numbers_are_read_back_unchanged(count):
    assert float(number(count)) == count
