"""Engines beyond the big ones, on pages of real servers (pages/) and on pages written here after their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.exposition import PageReader
from collector.measures import Coverage
from collector.profiles import identify, profiles
from collector.profiles.identify import layers_of, recognise
from core.errors import PageRejected
from tests.collector.pages import VLLM, Read, read
from tests.collector.profiles.test_engines import counts, groups

PAGES = Path(__file__).parent / "pages"


def captured(engine: str) -> str:
    return (PAGES / f"{engine}.prom").read_text()


LLAMACPP_2025 = """\
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 143
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 673
# TYPE llamacpp:kv_cache_usage_ratio gauge
llamacpp:kv_cache_usage_ratio 0.25
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 2
"""

# The names of 2023, typed as gauges.
RAY_2023 = """\
# TYPE ray_serve_num_http_requests gauge
ray_serve_num_http_requests{application="a",route="/",method="GET",status_code="200"} 7
ray_serve_num_http_requests{application="a",route="/",method="GET",status_code="503"} 2
"""


def _finished(reason: str, n: int) -> str:
    return f'lmdeploy:request_success_total{{engine="0",finished_reason="ResponseType.{reason}",model_name="m"}} {n}\n'


LMDEPLOY = (
    "".join(_finished(*one) for one in (("FINISH", 9), ("CANCEL", 2), ("INTERNAL_ENGINE_ERROR", 1)))
    + _finished("INPUT_LENGTH_ERROR", 4)
    + """\
# TYPE lmdeploy:num_requests_succeeded gauge
lmdeploy:num_requests_succeeded{engine="0",model_name="m"} 9
# TYPE lmdeploy:num_requests_failed gauge
lmdeploy:num_requests_failed{engine="0",model_name="m"} 7
# TYPE lmdeploy:iter_token_latency histogram
lmdeploy:iter_token_latency_bucket{engine="0",le="0.01",model_name="m"} 3
lmdeploy:iter_token_latency_bucket{engine="0",le="+Inf",model_name="m"} 5
# TYPE lmdeploy:time_per_output_token_seconds histogram
lmdeploy:time_per_output_token_seconds_bucket{engine="0",le="0.005",model_name="m"} 1
lmdeploy:time_per_output_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 9
# TYPE lmdeploy:gpu_cache_usage_perc gauge
lmdeploy:gpu_cache_usage_perc{engine="0",model_name="m"} 0.5
"""
)

NIM = """\
# TYPE num_requests_running gauge
num_requests_running{model_name="meta/llama"} 1.0
# TYPE num_request_max gauge
num_request_max{model_name="meta/llama"} 64.0
# TYPE gpu_cache_usage_perc gauge
gpu_cache_usage_perc{model_name="meta/llama"} 0.25
# TYPE prompt_tokens_total counter
prompt_tokens_total{model_name="meta/llama"} 1.09e+002
# TYPE time_to_first_token_seconds histogram
time_to_first_token_seconds_bucket{le="0.1",model_name="meta/llama"} 2
time_to_first_token_seconds_bucket{le="+Inf",model_name="meta/llama"} 5
# TYPE request_finish_total counter
request_finish_total{finished_reason="length",model_name="meta/llama"} 3
request_finish_total{finished_reason="stop",model_name="meta/llama"} 2
request_finish_total{finished_reason="abort",model_name="meta/llama"} 1
# TYPE request_success_total counter
request_success_total{model_name="meta/llama"} 5
# TYPE request_failure_total counter
request_failure_total{model_name="meta/llama"} 4
"""

TRTLLM = """\
# TYPE trtllm_request_success_total counter
trtllm_request_success_total{model_name="qwen",engine_type="trtllm",finished_reason="stop"} 150
trtllm_request_success_total{model_name="qwen",engine_type="trtllm",finished_reason="length"} 5
trtllm_request_success_total{model_name="qwen",engine_type="trtllm",finished_reason="cancelled"} 2
# TYPE trtllm_num_requests_completed_total counter
trtllm_num_requests_completed_total{model_name="qwen",engine_type="trtllm"} 157
# TYPE trtllm_request_error_total counter
trtllm_request_error_total{model_name="qwen",engine_type="trtllm",http_code="400"} 3
trtllm_request_error_total{model_name="qwen",engine_type="trtllm",http_code="429"} 1
trtllm_request_error_total{model_name="qwen",engine_type="trtllm",http_code="500"} 6
# TYPE trtllm_request_queue_time_seconds histogram
trtllm_request_queue_time_seconds_bucket{engine_type="trtllm",le="0.3",model_name="qwen"} 4
trtllm_request_queue_time_seconds_bucket{engine_type="trtllm",le="+Inf",model_name="qwen"} 5
# TYPE trtllm_kv_cache_utilization gauge
trtllm_kv_cache_utilization{engine_type="trtllm",model_name="qwen"} 0.75
"""

KSERVE = """\
# TYPE request_predict_seconds histogram
request_predict_seconds_bucket{le="10.0",model_name="iris"} 4.0
request_predict_seconds_bucket{le="+Inf",model_name="iris"} 5.0
request_predict_seconds_count{model_name="iris"} 5.0
"""

_COUNTS = [
    ("llamacpp", captured("llamacpp"), {"prompt_tokens": 22, "generation_tokens": 12}),
    ("llamacpp", LLAMACPP_2025, {"prompt_tokens": 143, "generation_tokens": 673}),
    # Five of the 2xx are predictions; scrapes and questions to the management port are answers too.
    (
        "torchserve",
        captured("torchserve"),
        {"http_responses 2xx": 20, "http_responses 4xx": 1, "http_responses 5xx": 2},
    ),
    (
        "ray",
        captured("ray").replace("_ms_bucket", "_ms_hidden"),
        {
            "requests good 200": 4,
            "requests bad 500": 1,
            "requests excluded 404": 1,
            "http_responses 2xx": 4,
            "http_responses 4xx": 1,
            "http_responses 5xx": 1,
        },
    ),
    (
        "ray",
        RAY_2023,
        {"requests good 200": 7, "requests bad 503": 2, "http_responses 2xx": 7, "http_responses 5xx": 2},
    ),
    ("node", captured("node"), {}),
    (
        "lmdeploy",
        LMDEPLOY,
        {
            "requests good ResponseType.FINISH": 9,
            "requests excluded ResponseType.CANCEL": 2,
            "requests bad ResponseType.INTERNAL_ENGINE_ERROR": 1,
            "requests excluded ResponseType.INPUT_LENGTH_ERROR": 4,
            "itl": (3, 5),
        },
    ),
    (
        "nim",
        NIM,
        {
            "requests good length": 3,
            "requests good stop": 2,
            "requests excluded abort": 1,
            "requests bad failure": 4,
            "prompt_tokens": 109,
            "ttft": (2, 5),
        },
    ),
    (
        "trtllm-serve",
        TRTLLM,
        {
            "requests good stop": 150,
            "requests good length": 5,
            "requests excluded cancelled": 2,
            "requests excluded 400": 3,
            "requests bad 429": 1,
            "requests bad 500": 6,
            "queue_time": (4, 5),
        },
    ),
    ("kserve", KSERVE, {}),
]


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
        (captured("llamacpp"), [("queue_depth", 0), ("running", 0)]),
        (LLAMACPP_2025, [("kv_cache", 0.25), ("queue_depth", 2)]),
        (captured("torchserve"), [("model_load", 7.32)]),
        (captured("ray"), [("queue_depth", 0), ("running", 0)]),
        (captured("node"), []),
        (LMDEPLOY, [("kv_cache", 0.5)]),
        (NIM, [("kv_cache", 0.25), ("running", 1)]),
        (TRTLLM, [("kv_cache", 0.75)]),
    ],
)
def test_what_a_page_shows(page: str, expected: list[tuple[str, float]]) -> None:
    assert sorted(read(page).gauges()) == expected


def test_where_each_engine_tells_the_dimensions() -> None:
    assert groups(captured("llamacpp"), {"model": "tiny"}) == {(("model", "tiny"),)}
    assert groups(captured("ray")) == {(("model", "llm-app"),), ()}  # nobody serves an unknown path
    assert groups(LMDEPLOY) == {(("model", "m"),)}
    assert groups(NIM) == {(("model", "meta/llama"),)}
    assert groups(TRTLLM) == {(("model", "qwen"),)}


def test_bounds_of_milliseconds_are_seconds_and_handles_are_no_bounds() -> None:
    found = [slot.atoms[0].measure.bounds for slot in read(captured("ray")).layout.counters if len(slot.indices) > 1]
    assert len(found) == 3  # one for each status code
    assert all(bounds is not None and bounds[:3] + bounds[-1:] == (0.001, 0.002, 0.005, 600) for bounds in found)


def test_health_checks_of_ray_are_no_requests() -> None:
    check = 'application="",method="GET",route="/-/healthz",status_code="200"'
    more = f"ray_serve_num_http_requests_total{{{check}}} 99\n"
    more += "".join(f'ray_serve_http_request_latency_ms_bucket{{{check},le="{le}"}} 99\n' for le in ("1.0", "+Inf"))
    assert read(captured("ray") + more).counts() == read(captured("ray")).counts()


def test_a_server_that_has_answered_nothing_is_known_already() -> None:
    assert recognise({"WorkerLoadTime", "Requests2XX", "MemoryUsed"})[0] is not None
    assert recognise({"ray_node_cpu_count", "ray_serve_proxy_status"})[0] is not None
    assert recognise({"MemoryUsed", "CPUUtilization"}) == (None, 0.0)


def test_names_without_a_prefix_are_not_nims_unless_its_own_are_there() -> None:
    anybodys = {"request_success_total", "prompt_tokens_total", "num_requests_running"}
    assert recognise(anybodys) == (None, 0.0)
    found = recognise({*anybodys, "num_request_max"})[0]
    assert found is not None
    assert found.engine == "nim"


def test_a_finish_that_no_list_has_is_excluded_and_named() -> None:
    found = read(LMDEPLOY + _finished("SUCCESS", 3))
    assert found.layout.unmapped == ("finished_reason=ResponseType.SUCCESS",)
    assert counts(found)["requests excluded ResponseType.SUCCESS"] == 3


# Two layers on one page: Ray Serve's proxies and a vLLM in a replica.

ON_RAY = captured("ray") + VLLM.replace("vllm:", "ray_vllm_")


def by_layer(found: Read, name: str) -> dict[str, int]:
    """Cumulative values of a signal by its layer."""
    readings = found.layout.columns.read(found.page.numbers)
    result: dict[str, int] = {}
    for slot in found.layout.counters:
        for atom in slot.atoms:
            if atom.measure.name == name:
                result[atom.measure.layer] = result.get(atom.measure.layer, 0) + sum(readings[slot.key].values)
    return result


def test_both_layers_of_a_page_count_each_its_own_requests() -> None:
    alone, both = read(captured("ray")), read(ON_RAY)
    assert by_layer(both, "requests") == {
        "router": by_layer(alone, "requests")["router"],
        "engine": by_layer(read(VLLM), "requests")["engine"],
    }
    assert by_layer(both, "ttft") == by_layer(read(VLLM), "ttft")


def test_both_layers_of_a_page_cover_their_own_groups() -> None:
    engine = next(family for family in read(VLLM).layout.coverage)
    assert read(ON_RAY).layout.coverage == (
        Coverage("", "router", frozenset({(("model", "llm-app"),)})),
        engine,
    )


def test_a_page_of_two_layers_is_the_outer_ones_however_many_names_the_inner_has() -> None:
    few = {"ray_node_cpu_count"} | {f"ray_vllm_{n}" for n in ("request_success_total", "num_requests_waiting")}
    found = recognise(few)[0]
    assert found is not None
    assert [one.engine for one in layers_of(found, few)] == ["ray", "vllm"]
    alone = recognise(few - {"ray_node_cpu_count"})[0]
    assert alone is not None
    assert [one.engine for one in layers_of(alone, few)] == ["vllm"]


def test_identify_names_the_signals_of_both_layers() -> None:
    page = PageReader().read(ON_RAY.encode(), "text/plain")
    found = identify({one.name for one in page.series}, dict(page.types))
    assert found.engine == "ray"
    assert found.signals["requests"] == [
        "ray_serve_num_http_requests_total",
        "ray_vllm_request_success_total",
        "ray_vllm_admission_rejections_total",
    ]
    assert found.signals["ttft"] == ["ray_vllm_time_to_first_token_seconds"]


def test_engines_beside_one_another_are_of_different_layers() -> None:
    by_name = {profile.engine: profile for profile in profiles()}
    for profile in profiles():
        assert all(by_name[other].layer != profile.layer for other in profile.beside)


def test_kserve_with_vllm_in_it_is_vllm() -> None:
    found = read(KSERVE + VLLM)
    assert found.profile is not None
    assert found.profile.engine == "vllm"
    assert found.counts() == read(VLLM).counts()


def test_a_page_with_a_minus_nan_is_refused_with_its_line() -> None:
    page = LLAMACPP_2025 + "llamacpp:n_busy_slots_per_decode -nan\n"
    with pytest.raises(PageRejected, match=r"^line 9: .*'-nan'"):
        PageReader().read(page.encode(), "text/plain")
