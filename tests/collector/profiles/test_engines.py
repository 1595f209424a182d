"""Every engine's traps, on pages written here: what is counted, in which group, and what is not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.profiles import identify, profiles
from collector.profiles.identify import recognise
from collector.profiles.model import Part
from tests.collector.pages import Read, read

_RANK = 'engine_type="unified",model_name="llama",pp_rank="0",tp_rank='
SGLANG = f"""\
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{{{_RANK}"0",priority=""}} 17
sglang:num_running_reqs{{{_RANK}"0",priority="0"}} 11
sglang:num_running_reqs{{{_RANK}"0",priority="5"}} 6
sglang:num_running_reqs{{{_RANK}"1",priority=""}} 17
# TYPE sglang:token_usage gauge
sglang:token_usage{{{_RANK}"0"}} 0.63
# TYPE sglang:startup_time_seconds gauge
sglang:startup_time_seconds{{{_RANK}"0",phase="load_weight"}} 14
sglang:startup_time_seconds{{{_RANK}"0",phase="scheduler_e2e"}} 61
# TYPE sglang:num_requests_total counter
sglang:num_requests_total{{is_streaming="true",model_name="llama"}} 483
sglang:num_requests_total{{is_streaming="false",model_name="llama"}} 217
# TYPE sglang:num_aborted_requests_total counter
sglang:num_aborted_requests_total{{model_name="llama"}} 9
# TYPE sglang:http_responses_total counter
sglang:http_responses_total{{endpoint="/generate",method="POST",status_code="200"}} 700
sglang:http_responses_total{{endpoint="/generate",method="POST",status_code="400"}} 12
sglang:http_responses_total{{endpoint="/generate",method="POST",status_code="503"}} 4
sglang:http_responses_total{{endpoint="/health_generate",method="GET",status_code="503"}} 99
# TYPE sglang:time_to_first_token_seconds histogram
sglang:time_to_first_token_seconds_bucket{{le="0.1",model_name="llama",priority=""}} 5
sglang:time_to_first_token_seconds_bucket{{le="+Inf",model_name="llama",priority=""}} 9
sglang:time_to_first_token_seconds_bucket{{le="0.1",model_name="llama",priority="5"}} 2
sglang:time_to_first_token_seconds_bucket{{le="+Inf",model_name="llama",priority="5"}} 4
# TYPE sglang:routing_key_running_req_count gauge
sglang:routing_key_running_req_count{{gt="1",le="2",model_name="llama"}} 3
"""

TGI = """\
# TYPE tgi_request_count counter
tgi_request_count 116

# TYPE tgi_request_success counter
tgi_request_success 109
# TYPE tgi_request_failure counter
tgi_request_failure{err="validation"} 2
tgi_request_failure{err="overloaded"} 4
tgi_request_failure{err="dropped"} 1
# TYPE tgi_request_input_length histogram
tgi_request_input_length_bucket{le="10"} 100
tgi_request_input_length_bucket{le="+Inf"} 109
tgi_request_input_length_sum 662
tgi_request_input_length_count 109
# TYPE tgi_request_generated_tokens histogram
tgi_request_generated_tokens_sum 3423
# TYPE tgi_request_duration histogram
tgi_request_duration_bucket{le="0.00015000000000000001"} 0
tgi_request_duration_bucket{le="1.5"} 60
tgi_request_duration_bucket{le="+Inf"} 109
# TYPE tgi_queue_size gauge
tgi_queue_size 3
"""

TRITON = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="ens",version="1"} 100
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="ens",reason="REJECTED",version="1"} 1
nv_inference_request_failure{model="ens",reason="CANCELED",version="1"} 2
nv_inference_request_failure{model="ens",reason="BACKEND",version="1"} 3
nv_inference_request_failure{model="ens",reason="OTHER",version="1"} 4
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{model="ens",version="1"} 180274
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="ens",version="1"} 7
# TYPE nv_inference_first_response_histogram_ms histogram
nv_inference_first_response_histogram_ms_bucket{model="ens",version="1",le="100"} 8
nv_inference_first_response_histogram_ms_bucket{model="ens",version="1",le="300"} 30
nv_inference_first_response_histogram_ms_bucket{model="ens",version="1",le="+Inf"} 37
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-a"} 0.5
"""

TRTLLM = """\
# TYPE nv_trt_llm_request_metrics gauge
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="waiting",version="1"} 2
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="scheduled",version="1"} 5
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="max",version="1"} 512
# TYPE nv_trt_llm_kv_cache_block_metrics gauge
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="tensorrt_llm",version="1"} 0.4875
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="tensorrt_llm",version="1"} 6239
"""


def _litellm(code: int, n: int, *, model: str = "gpt", team: str = "None") -> str:
    labels = (
        f'api_key_alias="None",model_id="x{code}",requested_model="{model}",status_code="{code}",team_alias="{team}"'
    )
    return f"litellm_proxy_total_requests_metric_total{{{labels}}} {n}\n"


LITELLM = (
    "# TYPE litellm_proxy_total_requests_metric_total counter\n"
    + "".join(_litellm(code, n) for code, n in ((200, 12), (400, 1), (408, 2), (429, 3), (499, 4), (500, 5)))
    + """\
# TYPE litellm_proxy_failed_requests_metric_total counter
litellm_proxy_failed_requests_metric_total{exception_status="500",requested_model="gpt"} 5
# TYPE litellm_spend_metric_total counter
litellm_spend_metric_total{model="gpt-4o-mini",requested_model="gpt",team="blue",team_alias="None"} 0.0001344
# TYPE litellm_input_tokens_metric_total counter
litellm_input_tokens_metric_total{requested_model="gpt"} 112
# TYPE litellm_remaining_user_budget_metric gauge
litellm_remaining_user_budget_metric{user="u"} +Inf
"""
)

_E2E = """\
{0}request_duration_seconds_bucket{{fairness_id="acme",model_name="m",target_model_name="t",le="0.005"}} 1
{0}request_duration_seconds_bucket{{fairness_id="acme",model_name="m",target_model_name="t",le="+Inf"}} 3
{0}request_total{{fairness_id="acme",model_name="m",target_model_name="t"}} 4
"""
_TTFT = """\
llm_d_epp_request_ttft_seconds_bucket{{model_name="m",streaming="{0}",le="0.1"}} {1}
llm_d_epp_request_ttft_seconds_bucket{{model_name="m",streaming="{0}",le="+Inf"}} {1}
"""
EPP = (
    _E2E.format("llm_d_epp_")
    + _E2E.format("inference_objective_")
    + _TTFT.format("true", 2)
    + _TTFT.format("false", 9)
    + "llm_d_epp_request_output_tokens_sum 50\ninference_objective_output_tokens_sum 50\n"
)

VLLM_ROUTER = """\
# TYPE vllm_router_requests_total counter
vllm_router_requests_total{route="/v1/completions"} 40

# TYPE vllm_router_request_errors_total counter
vllm_router_request_errors_total{route="/v1/completions",error_type="non_retryable_error"} 3
vllm_router_request_errors_total{route="/v1/completions",error_type="no_available_workers"} 20
# TYPE vllm_router_retries_exhausted_total counter
vllm_router_retries_exhausted_total{route="/v1/completions"} 6
# TYPE vllm_router_retries_total counter
vllm_router_retries_total{route="/v1/completions"} 24
# TYPE vllm_router_generate_duration_seconds histogram
vllm_router_generate_duration_seconds_bucket{le="0.001"} 0
vllm_router_generate_duration_seconds_bucket{le="+Inf"} 40
"""

_SMG = 'router_type="http",backend_type="regular",connection_mode="http",model="tiny",endpoint="completions"'
SGLANG_ROUTER = f"""\
# TYPE smg_http_responses_total counter
smg_http_responses_total{{status_code="503",error_code="no_available_workers"}} 4
smg_http_responses_total{{status_code="200",error_code=""}} 60
# TYPE smg_http_rate_limit_total counter
smg_http_rate_limit_total{{result="rejected"}} 2
smg_http_rate_limit_total{{result="allowed"}} 99
# TYPE smg_router_requests_total counter
smg_router_requests_total{{{_SMG},streaming="true"}} 50
# TYPE smg_router_request_errors_total counter
smg_router_request_errors_total{{{_SMG},error_type="validation_error"}} 1
# TYPE smg_worker_retries_total counter
smg_worker_retries_total{{worker_type="regular",endpoint="completions"}} 12
# TYPE smg_worker_retries_exhausted_total counter
smg_worker_retries_exhausted_total{{worker_type="regular",endpoint="completions"}} 3
# TYPE smg_router_request_duration_seconds histogram
smg_router_request_duration_seconds_bucket{{{_SMG},le="0.001"}} 0
smg_router_request_duration_seconds_bucket{{{_SMG},le="+Inf"}} 40
smg_router_request_duration_seconds_sum{{{_SMG}}} 0.5
smg_router_request_duration_seconds_count{{{_SMG}}} 40
"""

_COUNTS = [
    (
        "sglang",
        SGLANG,
        {
            "requests good": 700,
            "requests excluded abort": 9,
            "requests bad 503": 4,
            "http_responses 2xx": 700,
            "http_responses 4xx": 12,
            "http_responses 5xx": 103,
            "ttft": (5, 9),
        },
    ),
    (
        "tgi",
        TGI,
        {
            "requests good": 109,
            "requests excluded validation": 2,
            "requests bad overloaded": 4,
            "requests excluded dropped": 1,
            "prompt_tokens": 662,
            "generation_tokens": 3423,
            "e2e": (0, 60, 109),
        },
    ),
    (
        "triton",
        TRITON,
        {
            "requests good": 100,
            "requests bad REJECTED": 1,
            "requests excluded CANCELED": 2,
            "requests bad BACKEND": 3,
            "requests bad OTHER": 4,
            "ttft": (8, 30, 37),
        },
    ),
    ("triton", 'nv_inference_request_failure{model="old"} 6\n', {"requests bad": 6}),
    ("triton", TRTLLM, {}),
    (
        "litellm",
        LITELLM,
        {
            "requests good 200": 12,
            "requests excluded 400": 1,
            "requests bad 408": 2,
            "requests bad 429": 3,
            "requests excluded 499": 4,
            "requests bad 500": 5,
            "http_responses 2xx": 12,
            "http_responses 4xx": 10,
            "http_responses 5xx": 5,
            "cost": 134,
            "prompt_tokens": 112,
        },
    ),
    ("epp", EPP, {"e2e": (1, 3), "ttft": (2, 2), "generation_tokens": 50}),
    (
        "vllm-router",
        VLLM_ROUTER,
        {
            "requests good": 40,
            "requests excluded non_retryable_error": 3,
            "requests bad failed": 6,
            "retries": 24,
        },
    ),
    (
        "sglang-router",
        SGLANG_ROUTER,
        {
            "requests good": 40,
            "requests bad failed": 3,
            "requests bad rejected": 2,
            "requests excluded validation_error": 1,
            "http_responses 2xx": 60,
            "http_responses 5xx": 4,
            "retries": 12,
        },
    ),
]


def counts(found: Read) -> dict[str, int | tuple[int, ...]]:
    """What a page counts, as text: signal, outcome and reason → sum over everything else, histograms cell by bound."""
    readings = found.layout.columns.read(found.page.numbers)
    scalars: Counter[str] = Counter()
    histograms: dict[str, tuple[int, ...]] = {}
    for slot in found.layout.counters:
        for atom in slot.atoms:
            name = " ".join((atom.measure.name, *(value for _, value in atom.measure.attrs)))
            values = readings[slot.key].values
            if atom.measure.bounds is None:
                scalars[name] += values[0]
            else:
                assert name not in histograms
                histograms[name] = values
    return {**scalars, **histograms}


@pytest.mark.parametrize(
    ("engine", "page", "expected"), _COUNTS, ids=[f"{e}-{n}" for n, (e, _, _) in enumerate(_COUNTS)]
)
def test_what_a_page_counts(engine: str, page: str, expected: dict[str, int | tuple[int, ...]]) -> None:
    found = read(page)
    assert found.profile is not None
    assert found.profile.engine == engine
    assert counts(found) == expected
    assert found.layout.unmapped == ()


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (SGLANG, [("kv_cache", 0.63), ("model_load", 61), ("running", 17)]),
        (TGI, [("queue_depth", 3)]),
        (TRITON, [("queue_depth", 7)]),
        (TRTLLM, [("kv_cache", 0.4875), ("queue_depth", 2), ("running", 5)]),
        (LITELLM, []),
    ],
)
def test_what_a_page_shows(page: str, expected: list[tuple[str, float]]) -> None:
    assert sorted(read(page).gauges()) == expected


def groups(page: str, target: dict[str, str] | None = None) -> set[tuple[tuple[str, str], ...]]:
    return {atom.group for slot in read(page, target).layout.counters for atom in slot.atoms}


def test_where_each_engine_tells_the_dimensions() -> None:
    assert groups(TGI, {"model": "mixtral"}) == {(("model", "mixtral"),)}
    assert groups(TRITON) == {(("model", "ens"), ("version", "1"))}
    assert groups(TRITON, {"version": "v7"}) == {(("model", "ens"), ("version", "v7"))}
    assert groups(LITELLM) == {(("model", "gpt"),), (("model", "gpt"), ("tenant", "blue"))}
    assert groups(_litellm(200, 1, model="other", team="red")) == {(("model", "other"), ("tenant", "red"))}
    assert (("model", "m"), ("tenant", "acme")) in groups(EPP)
    assert groups(VLLM_ROUTER, {"model": "llama"}) == {(("model", "llama"),)}
    assert groups(SGLANG_ROUTER) == {(("model", "tiny"),)}


def test_bounds_are_in_the_signals_unit() -> None:
    (slot,) = (s for s in read(TRITON).layout.counters if s.atoms[0].measure.name == "ttft")
    assert slot.atoms[0].measure.bounds == (0.1, 0.3)
    (slot,) = (s for s in read(TGI).layout.counters if s.atoms[0].measure.name == "e2e")
    assert slot.atoms[0].measure.bounds == (float("0.00015000000000000001"), 1.5)  # as the page says


def test_counters_with_an_appended_total_are_the_same_counters() -> None:
    appended = TGI.replace("tgi_request_success ", "tgi_request_success_total ").replace(
        "tgi_request_failure{", "tgi_request_failure_total{"
    )
    assert counts(read(appended)) == counts(read(TGI))


@given(st.permutations(SGLANG.splitlines()), st.dictionaries(st.integers(0, 9), st.integers(0, 99), max_size=4))
def test_parts_by_priority_are_never_added_to_their_total(lines: list[str], parts: dict[int, int]) -> None:
    total = 'sglang:num_requests_total{is_streaming="true",model_name="llama",priority='
    more = [f'{total}"{priority}"}} {n}' for priority, n in parts.items()]
    page = "\n".join([*(line for line in lines if not line.startswith("#")), *more]) + "\n"
    assert counts(read(page))["requests good"] == 700


@given(st.dictionaries(st.integers(0, 9), st.integers(0, 99), min_size=1, max_size=4))
def test_parts_by_priority_without_a_total_are_added(parts: dict[int, int]) -> None:
    page = "".join(f'sglang:num_requests_total{{model_name="llama",priority="{p}"}} {n}\n' for p, n in parts.items())
    assert counts(read(page)) == {"requests good": sum(parts.values())}


def test_sglang_behind_its_router_is_read_alike() -> None:
    assert counts(read(SGLANG.replace("sglang:", "sglang_"))) == counts(read(SGLANG))


@pytest.mark.parametrize("page", [SGLANG, TGI, TRITON, LITELLM])
def test_an_engine_that_tells_no_truncation_is_not_said_to(page: str) -> None:
    found = read(page)
    assert "truncated" not in identify((one.name for one in found.page.series), dict(found.page.types)).signals


def test_a_value_named_itself_wins_over_a_pattern() -> None:
    part = Part(kind="counter", names=("x",), label="code", good=("2*",), bad=("5*", "429"), excluded=("4*",))
    assert [part.outcome_of(code) for code in ("200", "404", "429", "503", "", "600")] == [
        "good",
        "excluded",
        "bad",
        "bad",
        "excluded",
        "excluded",
    ]
    assert [part.knows(code) for code in ("200", "429", "600", "")] == [True, True, False, False]


def test_an_old_name_of_the_picker_alone_is_read() -> None:
    assert counts(read(_E2E.format("inference_objective_"))) == {"e2e": (1, 3)}
    assert recognise({"inference_extension_prefix_indexer_size"})[0] is not None


def test_every_signal_of_a_serving_engine_is_given_or_refused_with_a_reason() -> None:
    owed = {"requests", "http_responses", "ttft", "itl", "e2e", "queue_time", "queue_depth", "running", "prompt_tokens"}
    owed |= {"generation_tokens", "kv_cache", "preemptions", "retries", "model_load", "gpu_memory", "gpu_utilisation"}
    owed |= {"gpu_time", "cost"}
    for profile in profiles():
        if profile.layer != "hardware":
            assert owed - set(profile.signals) - set(profile.cannot) == set(), profile.engine
