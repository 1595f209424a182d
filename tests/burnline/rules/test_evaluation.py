"""What the rules say of series that profiles read in their own way, evaluated by promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.burnline.rules import both, slos
from tests.burnline.rules.both import History

pytestmark = pytest.mark.server("promtool")

MINUTES = 20


def rising(a_minute: float, step: int = 60) -> list[float]:
    """A counter that began long ago."""
    return [1_000_000 + a_minute * n * step / 60 for n in range(MINUTES * 60 // step + 1)]


def says(file: Path, history: History, folder: Path, engines: tuple[str, ...], record: str, value: float) -> None:
    """At the end, a record has one series, with this value."""
    (folder / "rules.yaml").write_text(both.rules_of(both.slos_of(file), engines))
    labels = f'{record}{{service="chat", slo="promise"}}'
    expected = {"expr": record, "eval_time": f"{MINUTES}m", "exp_samples": [{"labels": labels, "value": value}]}
    assert both.run_test(folder, ["rules.yaml"], history, promql_expr_test=[expected]) == ""


def test_of_parts_beside_their_total_the_total_is_read_and_without_it_the_parts_are_added(tmp_path: Path) -> None:
    file = slos.write(
        tmp_path, slos.ratio("{signal: requests, where: 'outcome=\"bad\"'}", "{signal: requests}"), "{target: 0.99}"
    )
    good = "sglang:num_requests_total"
    failed = 'sglang:http_responses_total{instance="a",endpoint="/generate",status_code="500"}'
    probes = 'sglang:http_responses_total{instance="a",endpoint="/health",status_code="500"}'
    series = {
        f'{good}{{instance="a"}}': rising(30),
        f'{good}{{instance="a",priority="1"}}': rising(10),
        f'{good}{{instance="a",priority="2"}}': rising(20),
        f'{good}{{instance="b",priority="1"}}': rising(5),
        f'{good}{{instance="b",priority="2"}}': rising(6),
        f'{good}{{instance="c",tp_rank="1"}}': rising(1000),
    }
    history = History({"sglang:num_requests": ("counter", {**series, failed: rising(4), probes: rising(99)})})
    says(file, history, tmp_path, ("sglang",), "slo:total:increase5m", 5 * (30 + 5 + 6 + 4))
    says(file, history, tmp_path, ("sglang",), "slo:bad:increase5m", 5 * 4)


def test_of_a_metric_that_was_renamed_the_first_name_that_a_target_shows_is_read(tmp_path: Path) -> None:
    file = slos.write(tmp_path, slos.threshold("{signal: itl}"), "{op: lte, value: 0.1, target: 0.9}")
    new, old = "vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"
    series = {f'{new}_count{{instance="a"}}': rising(7), f'{old}_count{{instance="a"}}': rising(7)}
    series |= {f'{old}_count{{instance="b"}}': rising(3)}
    says(file, History({new: ("histogram", series)}), tmp_path, ("vllm",), "slo:total:increase5m", 5 * (7 + 3))


def test_a_share_is_a_value_over_itself_and_the_rest_which_may_be_missing_in_part(tmp_path: Path) -> None:
    file = slos.write(tmp_path, slos.threshold("{signal: gpu_memory}"), "{op: lte, value: 0.8, target: 0.9}")

    def memory(gpu: str, used: float, free: float, reserved: float | None) -> dict[str, list[float]]:
        parts = {"USED": used, "FREE": free} | ({} if reserved is None else {"RESERVED": reserved})
        many = MINUTES * 4 + 1
        return {f'DCGM_FI_DEV_FB_{part}{{gpu="{gpu}"}}': [value] * many for part, value in parts.items()}

    series = {**memory("0", 90, 10, None), **memory("1", 70, 10, 20), **memory("2", 81, 9, 10)}
    history = History({"DCGM_FI_DEV_FB_USED": ("gauge", series)}, step=15)
    says(file, history, tmp_path, ("dcgm",), "slo:bad:increase1m", 2)
    says(file, history, tmp_path, ("dcgm",), "slo:total:increase1m", 3)
    says(file, history, tmp_path, ("dcgm",), "slo:bad_per_total:ratio_increase5m", 2 / 3)


def test_gpu_time_is_as_long_as_a_gpu_was_seen(tmp_path: Path) -> None:
    spec = slos.threshold("{signal: gpu_time, per: generation_tokens}")
    file = slos.write(tmp_path, spec, "{op: lte, value: 0.01, target: 0}")
    history = History(
        {
            "DCGM_FI_DEV_GPU_UTIL": ("gauge", {f'DCGM_FI_DEV_GPU_UTIL{{gpu="{n}"}}': [50] * 81 for n in range(4)}),
            "vllm:generation_tokens": ("counter", {"vllm:generation_tokens_total": rising(12_000, 15)}),
        },
        step=15,
    )
    # 4 GPUs for a minute are 240,000 ms, for 12,000 tokens
    says(file, history, tmp_path, ("dcgm", "vllm"), "slo:bad_per_total:ratio_increase5m", 20)


def test_queries_are_summed_minute_by_minute_and_a_missing_part_is_none_of_it(tmp_path: Path) -> None:
    spec = (
        "ratioMetric:\n"
        "  bad: {metricSource: {type: prometheus, spec: {query: 'sum(increase(a_total{code=\"500\"}[1m])) # bad'}}}\n"
        "  total: {metricSource: {type: prometheus, spec: {query: 'sum(increase(a_total[1m]))'}}}\n"
    )
    file = slos.write(tmp_path, spec, "{target: 0.99}")
    history = History({"a": ("counter", {'a_total{code="200"}': rising(6)})})
    says(file, history, tmp_path, (), "slo:total:increase5m", 30)
    says(file, history, tmp_path, (), "slo:bad_per_total:ratio_increase5m", 0)


def test_without_a_series_of_good_events_all_are_bad(tmp_path: Path) -> None:
    spec = slos.ratio("{signal: requests, where: 'outcome=\"good\"'}", "{signal: requests}", good=True)
    file = slos.write(tmp_path, spec, "{target: 0.99}")
    history = History(
        {"vllm:request_success": ("counter", {'vllm:request_success_total{finished_reason="error"}': rising(6)})}
    )
    says(file, history, tmp_path, ("vllm",), "slo:bad_per_total:ratio_increase5m", 1)
