"""What a PromQL source may say, and why one that cannot be counted is not served."""

from __future__ import annotations

import pytest

from slo_engine.specs.model import QueryRatio
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


def test_a_threshold_over_a_query_is_not_served() -> None:
    sli = f"thresholdMetric:\n  metricSource:\n    type: prometheus\n    spec: {spec(ALL)}\n"
    assert "thresholds over PromQL queries are not served" in reason(sli, "target: 0.9, op: lte, value: 1")


def test_a_raw_ratio_of_a_query_is_not_served() -> None:
    raw = f"ratioMetric:\n  rawType: success\n  raw: {{metricSource: {{type: prometheus, spec: {spec(ALL)}}}}}\n"
    assert "raw ratios" in reason(raw)


def test_the_other_side_of_another_system_is_not_served() -> None:
    sli = queries(spec(BAD), GOOD_SPEC).replace("type: Prometheus", "type: datadog", 1)
    assert "metric sources of type 'datadog'" in reason(sli)
