"""What a PromQL source may say, and why one that cannot be counted is not served."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from slo_engine.specs.model import QueryRatio, TimeSlices
from tests.slo_engine.specs.test_reading import GOOD_SPEC, ratio, slo, slo_text

BAD = 'sum by (model) (increase(hits{code=~"5.."}[1m]))'
ALL = "sum by (model) (increase(hits[1m]))"


def queries(part: str, total: str, which: str = "bad", extra: str = "") -> str:
    return ratio(part, total, which, extra).replace("type: burnline", "type: Prometheus")


def spec(query: str, more: str = "") -> str:
    return f"{{query: '{query}'{more}}}"


def reason(sli: str, objective: str = "target: 0.9") -> str:
    return slo(slo_text(sli, objective)).unsupported or ""


def test_two_queries_are_a_ratio() -> None:
    found = slo(slo_text(queries(spec(BAD, ", by: [model], server: eu"), spec(ALL, ", by: [model], server: eu"))))
    assert found.indicator == QueryRatio(BAD, ALL, False, ("model",), "eu")
    assert (found.by, found.unsupported, found.exact) == (("model",), None, False)


def test_good_events_and_no_groups_and_counter_false() -> None:
    found = slo(slo_text(queries(spec(BAD), spec(ALL), "good", "  counter: false\n")))
    assert found.indicator == QueryRatio(BAD, ALL, True)


@pytest.mark.parametrize(
    ("part", "total", "why"),
    [
        (spec('hits{code="500"}'), spec(ALL), "bad: a plain selector is counted exactly: write type burnline"),
        (spec(BAD), spec("hits"), "total: a plain selector"),
        (spec(BAD), "{promql: x}", "total: promql is not served beside query, by, server"),
        (spec(BAD), "{by: [model]}", "total: query is required"),
        (spec(BAD), spec("sum(" + "x" * 1000 + ")"), "total: a query may have 1000 characters"),
        (spec(BAD, ", by: [model]"), spec(ALL), "must name the same by and server"),
        (spec(BAD, ", server: a"), spec(ALL, ", server: b"), "must name the same by and server"),
        (spec(BAD, ", by: [model, model]"), spec(ALL, ", by: [model]"), "by must be a list of different label names"),
        (spec(BAD, ", by: model"), spec(ALL, ", by: model"), "by must be a list of different label names"),
        (spec(BAD, ", by: ['a b']"), spec(ALL, ", by: ['a b']"), "by must be a list of different label names"),
        (spec(BAD, ", by: [{a: b}]"), spec(ALL), "by must be a list of different label names"),
        (spec(BAD, ", server: 1"), spec(ALL, ", server: 1"), "server must be text"),
    ],
)
def test_a_query_that_cannot_be_counted_is_not_served(part: str, total: str, why: str) -> None:
    assert why in reason(queries(part, total))


def test_counters_are_not_what_a_minute_counted() -> None:
    assert "ask for increase" in reason(queries(spec(BAD), spec(ALL), extra="  counter: true\n"))


def over(query: str, more: str = "", where: str = "thresholdMetric") -> str:
    return f"{where}:\n  metricSource:\n    type: prometheus\n    spec: {spec(query, more)}\n"


def raw(kind: str = "success", query: str = ALL, source: str = "prometheus") -> str:
    return f"ratioMetric:\n  rawType: {kind}\n  raw: {{metricSource: {{type: {source}, spec: {spec(query)}}}}}\n"


def test_over_a_query_each_minute_of_each_series_is_one_event() -> None:
    found = slo(slo_text(over("up # a remark", ", by: [pod], server: eu"), "target: 0.9, op: gte, value: 0.5"))
    inside = "(\nup # a remark\n)"
    assert found.indicator == QueryRatio(f"{inside} >= bool 0.5", f"{inside} * 0 + 1", True, ("pod",), "eu", minutes=1)
    assert (found.by, found.unsupported, found.exact) == (("pod",), None, False)


@pytest.mark.parametrize(("op", "sign"), [("lt", "<"), ("lte", "<="), ("gt", ">"), ("gte", ">=")])
def test_every_comparison_can_be_asked_for(op: str, sign: str) -> None:
    found = slo(slo_text(over("x"), f"target: 0.9, op: {op}, value: -1")).indicator
    assert isinstance(found, QueryRatio)
    assert found.part == f"(\nx\n) {sign} bool -1"


@pytest.mark.parametrize("kind", ["success", "failure"])
def test_a_raw_ratio_is_the_share_of_each_minute_in_millionths(kind: str) -> None:
    found = slo(slo_text(raw(kind))).indicator
    inside = f"(\n{ALL}\n)"
    part, total = f"clamp({inside}, 0, 1) * 1000000", f"{inside} * 0 + 1000000"
    assert found == QueryRatio(part, total, kind == "success", minutes=1_000_000)


def test_what_both_sides_are_made_of_is_a_bit_shorter() -> None:
    long = "sum(" + "x" * 950 + ")"
    assert "a query may have 950 characters" in reason(over(long), "target: 0.9, op: gt, value: 1")
    assert "a query may have 950 characters" in reason(raw(query=long))
    assert "query is required" in reason(over(""), "target: 0.9, op: gt, value: 1")


def test_a_raw_ratio_of_counts_is_none() -> None:
    counts = raw(query="hits", source="burnline").replace("query:", "selector:")
    assert "a raw ratio is no count" in reason(counts)


def test_minutes_can_be_kept_in_slices_too() -> None:
    text = slo_text(over("x"), "target: 0.9, op: gt, value: 1, timeSliceWindow: 5m, timeSliceTarget: 1")
    found = slo(text.replace("Occurrences", "Timeslices"))
    assert isinstance(found.indicator, TimeSlices)
    assert found.unsupported is None


def _sample(p: str, value: int) -> dict[str, object]:
    return {"labels": f'{{p="{p}"}}', "value": value}


@pytest.mark.server("promtool")
def test_what_the_two_sides_say_is_what_prometheus_says(tmp_path: Path) -> None:
    """The expressions over real PromQL: a value that is met, one that is not, a share above 1, and nothing."""
    over_x = slo(slo_text(over("x # now"), "target: 0.9, op: gte, value: 0.5")).indicator
    raw_x = slo(slo_text(raw(query="x # now"))).indicator
    assert isinstance(over_x, QueryRatio) and isinstance(raw_x, QueryRatio)
    wanted = {
        over_x.part: {"a": 1, "b": 0, "c": 1},
        over_x.total: {"a": 1, "b": 1, "c": 1},
        raw_x.part: {"a": 500_000, "b": 250_000, "c": 1_000_000},
        raw_x.total: {"a": 1_000_000, "b": 1_000_000, "c": 1_000_000},
    }
    checks = [
        {"expr": expr, "eval_time": "1m", "exp_samples": [_sample(p, n) for p, n in by.items()]}
        for expr, by in wanted.items()
    ]
    series = [{"series": f'x{{p="{p}"}}', "values": f"{v} {v}"} for p, v in (("a", 0.5), ("b", 0.25), ("c", 1.5))]
    series.append({"series": 'x{p="gone"}', "values": "1 stale"})
    whole = {"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": checks}]}
    (tmp_path / "test.yml").write_text(json.dumps(whole))
    words = ["promtool", "test", "rules", str(tmp_path / "test.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_other_side_of_another_system_is_not_served() -> None:
    sli = queries(spec(BAD), GOOD_SPEC).replace("type: Prometheus", "type: datadog", 1)
    assert "metric sources of type 'datadog'" in reason(sli)
