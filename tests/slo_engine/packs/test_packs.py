"""The packs that Burnline brings."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from core.errors import SpecError
from slo_engine.packs import load_pack, pack_names
from slo_engine.specs.model import GaugeThreshold, Latency, RateSlices, Slo, SumRatio
from slo_engine.specs.validate import validate
from slo_engine.windows import policy_for

ROOT = Path(__file__).parents[3]
MLPERF_CONF = ROOT.parent / "shared" / "data" / "mlperf" / "mlperf.conf"

TTFT_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
ITL_BOUNDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
REQUEST_BOUNDS = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60)


def pack(name: str) -> dict[str, Slo]:
    return {slo.name: slo for slo in load_pack(name).slos}


@pytest.mark.parametrize("name", pack_names())
def test_a_pack_has_no_problem_by_the_rules_for_everyone(name: str) -> None:
    assert load_pack(name).problems == ()
    assert validate([ROOT / "slo_engine" / "packs" / f"{name}.yaml"]) == []


@pytest.mark.parametrize("name", pack_names())
def test_every_slo_of_a_pack_explains_itself_and_has_a_policy(name: str) -> None:
    for slo in pack(name).values():
        assert slo.description
        assert policy_for(slo.objective_exact, slo.window_seconds).rows


def test_every_indicator_of_the_packs_explains_its_event() -> None:
    for name in pack_names():
        text = (ROOT / "slo_engine" / "packs" / f"{name}.yaml").read_text()
        slis = len(re.findall(r"^ +(?:thresholdMetric|ratioMetric):", text, re.MULTILINE))
        assert len(re.findall(r"description: (?:>-\s+)?\"?(?:Event|No events)", text)) == slis


def test_only_success_ttft_and_itl_page() -> None:
    paging = {name for name, slo in pack("llm-serving").items() if slo.alerting.page}
    assert paging == {"request-success", "ttft", "itl"}


def test_what_is_off_is_so_on_purpose_and_the_rest_is_measured() -> None:
    slos = pack("llm-serving")
    assert {name for name, slo in slos.items() if not slo.alerting.enabled} == {
        "e2e-interactive",
        "model-load",
        "gpu-memory",
    }
    assert all(slo.indicator and not slo.unsupported for slo in slos.values())


def test_what_detectors_judge_is_sampled_and_opens_tickets_only() -> None:
    sampled = {name: slo.alerting for name, slo in pack("llm-serving").items() if slo.sampled}
    assert set(sampled) == {"hallucination", "safety"}
    assert all(alerting.ticket and not alerting.page for alerting in sampled.values())


def test_the_promises_are_those_of_the_readme() -> None:
    slos = pack("llm-serving")
    budgets = {name: float(slo.budget) for name, slo in slos.items()}
    assert budgets == {
        "request-success": 0.01,
        "ttft": 0.01,
        "itl": 0.01,
        "queue-time": 0.01,
        "e2e-interactive": 0.05,
        "truncated": 0.05,
        "retries": 0.01,
        "token-rate": 0.05,
        "model-load": 0.01,
        "gpu-memory": 0.01,
        "cost-per-1k-tokens": 1,
        "goodput": 0.01,
        "hallucination": 0.05,
        "safety": 0.0001,
    }
    cost, rate = slos["cost-per-1k-tokens"].indicator, slos["token-rate"].indicator
    assert isinstance(cost, SumRatio)
    assert cost.allowed * 1000 == Fraction(500_000)  # micro-dollars for 1000 tokens
    assert isinstance(rate, RateSlices)
    assert (rate.op, rate.value, rate.condition and rate.condition.signal) == ("gte", 1000, "queue_depth")
    gauges = {name: slo.indicator.value for name, slo in slos.items() if isinstance(slo.indicator, GaugeThreshold)}
    assert gauges == {"model-load": 10, "gpu-memory": 0.85}


def test_latency_thresholds_are_bucket_bounds_of_vllm() -> None:
    bounds = {"ttft": TTFT_BOUNDS, "itl": ITL_BOUNDS, "queue-time": REQUEST_BOUNDS, "e2e-interactive": REQUEST_BOUNDS}
    latencies = {name: slo.indicator for name, slo in pack("llm-serving").items() if isinstance(slo.indicator, Latency)}
    assert {name: latency.threshold for name, latency in latencies.items()} == {
        "ttft": 0.5,
        "itl": 0.1,
        "queue-time": 0.3,
        "e2e-interactive": 0.5,
    }
    assert all(latency.threshold in bounds[name] for name, latency in latencies.items())


def test_mlperf_slos_are_off_and_at_the_99th_percentile() -> None:
    slos = pack("mlperf").values()
    assert len(slos) == 23
    assert all(not slo.alerting.enabled and slo.objective_exact == Fraction(99, 100) for slo in slos)


@pytest.mark.skipif(not MLPERF_CONF.exists(), reason="needs mlperf.conf beside the checkout")
def test_mlperf_limits_are_those_of_its_configuration() -> None:
    written = {}
    for model, key, value in re.findall(
        r"^([\w.-]+)\.Server\.(ttft|tpot)_latency = (\d+)", MLPERF_CONF.read_text(), re.MULTILINE
    ):
        name = model.replace("llama3_1", "llama3-1").removesuffix("-interactive")
        kind = "interactive" if model.endswith("-interactive") else "server"
        written[f"mlperf-{name}-{kind}-{key}"] = int(value) / 1000
    written["mlperf-qwen3-vl-235b-a22b-server-e2e"] = 12.0
    assert {name: slo.threshold for name, slo in pack("mlperf").items()} == written


def test_a_pack_that_does_not_exist_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"no pack 'llm-servin'; did you mean 'llm-serving'\?"):
        load_pack("llm-servin")
