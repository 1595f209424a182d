"""Prometheus, with the rules that Burnline writes, fires in the minutes in which Burnline does."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.burnline.rules import both, shapes, slos
from tests.burnline.rules.both import History

pytestmark = pytest.mark.server("promtool")

TARGET = 'instance="a:80",job="app"'
SELECTORS = slos.ratio(
    "{selector: 'app_requests_total{code=\"500\"}', by: [region]}", "{selector: app_requests_total, by: [region]}"
)


def agree(file: Path, history: History, folder: Path, engines: tuple[str, ...] = ()) -> both.Alerts:
    """Both judge the history alike; returns what they say."""
    found = both.slos_of(file)
    alerts = both.by_burnline(history, found)
    assert both.expect(both.rules_of(found, engines), history, alerts, folder) == ""
    return alerts


def requests(shape: shapes.Shape, minutes: int, resets: tuple[int, ...] = ()) -> History:
    good, bad = shapes.counters(shape, minutes, resets)
    calm, none = shapes.counters(shapes.steady(50), minutes)
    return History(
        {
            "app_requests": (
                "counter",
                {
                    f'app_requests_total{{code="200",{TARGET},region="eu"}}': good,
                    f'app_requests_total{{code="500",{TARGET},region="eu"}}': bad,
                    f'app_requests_total{{code="200",{TARGET},region="us"}}': calm,
                    f'app_requests_total{{code="500",{TARGET},region="us"}}': none,
                },
            )
        }
    )


def severities(alerts: both.Alerts) -> set[str]:
    return {dict(labels)["severity"] for on in alerts.values() for labels in on}


@pytest.mark.parametrize(
    ("shape", "resets", "fires"),
    [
        (shapes.outage(100, 130), (), {"page", "ticket"}),
        (shapes.outage(100, 130), (90, 112, 125), {"page", "ticket"}),
        (shapes.outage(100, 200, good=90, bad=10), (), {"page", "ticket"}),
        (shapes.slow_burn(60), (), {"ticket"}),
        (shapes.blips(45), (), {"page", "ticket"}),
        (shapes.blips(45, usual=5000), (), set()),
        (shapes.rare(7), (), {"page", "ticket"}),
        (shapes.steady(100), (), set()),
        (shapes.steady(0), (), set()),
    ],
    ids=["outage", "with resets", "partial", "slow burn", "blips", "weak blips", "rare", "calm", "idle"],
)
def test_shares_of_raw_counters(shape: shapes.Shape, resets: tuple[int, ...], fires: set[str], tmp_path: Path) -> None:
    file = slos.write(tmp_path, SELECTORS, "{targetPercent: 99.9}")
    alerts = agree(file, requests(shape, 300, resets), tmp_path)
    assert severities(alerts) == fires


def test_good_events_of_a_signal_with_several_raw_metrics(tmp_path: Path) -> None:
    spec = slos.ratio(
        "{signal: requests, where: 'outcome=\"good\"', by: [model]}", "{signal: requests, by: [model]}", good=True
    )
    good, bad = shapes.counters(shapes.outage(60, 90, good=95, bad=3), 200)
    aborted, _ = shapes.counters(shapes.steady(40), 200)
    rejected, _ = shapes.counters(lambda step: (1 if 60 < step <= 70 else 0, 0), 200)
    label = f'model_name="llama",{TARGET}'
    history = History(
        {
            "vllm:request_success": (
                "counter",
                {
                    f'vllm:request_success_total{{finished_reason="stop",{label}}}': good,
                    f'vllm:request_success_total{{finished_reason="error",{label}}}': bad,
                    f'vllm:request_success_total{{finished_reason="abort",{label}}}': aborted,
                },
            ),
            "vllm:admission_rejections": ("counter", {f"vllm:admission_rejections_total{{{label}}}": rejected}),
        }
    )
    alerts = agree(slos.write(tmp_path, spec, "{targetPercent: 99.9}"), history, tmp_path, ("vllm",))
    assert severities(alerts) == {"page", "ticket"}
    assert {dict(labels)["model"] for on in alerts.values() for labels in on} == {"llama"}


@pytest.mark.parametrize("bound", ["0.5", "1.0", "1"])
@pytest.mark.parametrize("objective", ["target: 0.99", "target: 0.9"])
def test_latencies_at_a_bucket_however_its_bound_is_written(bound: str, objective: str, tmp_path: Path) -> None:
    spec = slos.threshold("{signal: ttft, by: [model]}")
    fast, slow = shapes.counters(shapes.outage(60, 120, good=20, bad=80), 200)
    label = f'model_name="llama",{TARGET}'
    name = "vllm:time_to_first_token_seconds"
    every = [a + b for a, b in zip(fast, slow, strict=True)]
    history = History(
        {
            name: (
                "histogram",
                {
                    f'{name}_bucket{{le="0.1",{label}}}': [0] * len(fast),
                    f'{name}_bucket{{le="{bound}",{label}}}': fast,
                    f'{name}_bucket{{le="+Inf",{label}}}': every,
                    f"{name}_count{{{label}}}": every,
                    f"{name}_sum{{{label}}}": every,
                },
            )
        }
    )
    file = slos.write(tmp_path, spec, f"{{op: lte, value: {float(bound)}, {objective}}}")
    assert severities(agree(file, history, tmp_path, ("vllm",))) == {"page", "ticket"}


def test_a_latency_without_its_bucket_says_nothing(tmp_path: Path) -> None:
    spec = slos.threshold("{selector: app_latency_seconds}")
    _, slow = shapes.counters(shapes.steady(0, 50), 100)
    name = "app_latency_seconds"
    history = History(
        {
            name: (
                "histogram",
                {
                    f'{name}_bucket{{le="0.4",{TARGET}}}': [0] * len(slow),
                    f'{name}_bucket{{le="+Inf",{TARGET}}}': slow,
                    f"{name}_count{{{TARGET}}}": slow,
                    f"{name}_sum{{{TARGET}}}": slow,
                },
            )
        }
    )
    found = both.slos_of(slos.write(tmp_path, spec, "{op: lte, value: 0.5, target: 0.99}"))
    silent: both.Alerts = {minute: set() for minute in range(1, 101)}
    assert both.expect(both.rules_of(found), history, silent, tmp_path) == ""


@pytest.mark.parametrize(("op", "value"), [("lte", 0.9), ("lt", 0.9)])
def test_states_by_target_time(op: str, value: float, tmp_path: Path) -> None:
    spec = slos.threshold("{signal: kv_cache, by: [model]}")
    label = 'model_name="llama",job="app"'

    def full(begin: int, end: int) -> list[float]:
        return [0.95 if begin < step <= end else 0.5 for step in range(601)]

    history = History(
        {
            "vllm:kv_cache_usage_perc": (
                "gauge",
                {
                    f'vllm:kv_cache_usage_perc{{instance="a:80",{label}}}': full(200, 290),
                    f'vllm:kv_cache_usage_perc{{instance="b:80",{label}}}': full(250, 253),
                },
            )
        },
        step=15,
    )
    file = slos.write(tmp_path, spec, f"{{op: {op}, value: {value}, target: 0.99}}", window="7d")
    assert severities(agree(file, history, tmp_path, ("vllm",))) == {"page", "ticket"}


@pytest.mark.parametrize("condition", ["", ", while: 'queue_depth>0'"])
def test_rates_minute_by_minute(condition: str, tmp_path: Path) -> None:
    spec = slos.threshold(f"{{signal: generation_tokens, rate: true, by: [model]{condition}}}")
    label = f'model_name="llama",{TARGET}'

    def tokens(step: int) -> tuple[int, int]:
        return (0 if 300 < step <= 340 else 3000 if 200 < step <= 260 else 30_000), 0

    made, _ = shapes.counters(tokens, 600)
    waiting = [0 if 100 < step <= 120 or step > 320 else 4 for step in range(601)]
    history = History(
        {
            "vllm:generation_tokens": ("counter", {f"vllm:generation_tokens_total{{{label}}}": made}),
            "vllm:num_requests_waiting": ("gauge", {f"vllm:num_requests_waiting{{{label}}}": waiting}),
        },
        step=15,
    )
    file = slos.write(tmp_path, spec, "{op: gte, value: 1000, target: 0.95}")
    assert "ticket" in severities(agree(file, history, tmp_path, ("vllm",)))


def test_prices(tmp_path: Path) -> None:
    spec = slos.threshold("{signal: cost, per: generation_tokens, scale: 1000, by: [model]}")
    label = f'requested_model="llama",{TARGET}'
    tokens, _ = shapes.counters(shapes.steady(10_000), 200)
    eighths, _ = shapes.counters(shapes.outage(60, 120, usual=3, good=200, bad=0), 200)
    spent = [n / 8 for n in eighths]
    history = History(
        {
            "litellm_spend_metric": ("counter", {f"litellm_spend_metric_total{{{label}}}": spent}),
            "litellm_output_tokens_metric": ("counter", {f"litellm_output_tokens_metric_total{{{label}}}": tokens}),
        }
    )
    file = slos.write(tmp_path, spec, "{op: lte, value: 0.1, target: 0}")
    assert severities(agree(file, history, tmp_path, ("litellm",))) == {"page", "ticket"}


@pytest.mark.parametrize("window", ["1d", "3d", "7d", "28d", "90d"])
@pytest.mark.parametrize("objective", ["targetPercent: 85", "targetPercent: 99.95"])
def test_every_period_and_low_targets_too(window: str, objective: str, tmp_path: Path) -> None:
    file = slos.write(tmp_path, SELECTORS, f"{{{objective}}}", window=window)
    agree(file, requests(shapes.outage(40, 90), 150), tmp_path)


@given(
    st.integers(0, 10**6),
    st.sampled_from(["90", "95", "99", "99.9"]),
    st.sampled_from(["1d", "7d", "30d"]),
    st.sets(st.integers(1, 119), max_size=3),
)
@settings(max_examples=4, deadline=None)
def test_traffic_by_chance(seed: int, percent: str, window: str, resets: set[int]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = slos.write(folder, SELECTORS, f"{{targetPercent: {percent}}}", window=window)
        agree(file, requests(shapes.by_chance(Random(seed), 120), 120, tuple(resets)), folder)
