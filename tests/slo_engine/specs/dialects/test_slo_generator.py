"""slo-generator's objects and shared configuration."""

from __future__ import annotations

import pytest

from slo_engine.specs.model import EventRatio, Latency
from tests.slo_engine.specs.dialects.reading import read

TEXT = """\
apiVersion: sre.google.com/v2
kind: ServiceLevelObjective
metadata:
  name: web
  labels: {service_name: shop}
spec:
  description: most are good
  backend: prometheus
  method: good_bad_ratio
  exporters: [prometheus]
  service_level_indicator:
    filter_good: r{code=~"2.."}
    filter_valid: r
  goal: 0.999
"""
CUT = TEXT.replace("good_bad_ratio", "distribution_cut").replace(
    '    filter_good: r{code=~"2.."}\n    filter_valid: r\n',
    '    expression: d_bucket{job="w"}\n    threshold_bucket: 0.25\n',
)


def test_filters_become_exact_selectors() -> None:
    found = read(TEXT)
    assert found.problems == []
    assert isinstance(found.slo.indicator, EventRatio)
    assert (found.slo.service, found.slo.objective_exact.denominator) == ("shop", 1000)
    assert found.of("lost") == ["spec.exporters"]


def test_good_and_bad_are_asked_as_a_sum() -> None:
    found = read(TEXT.replace("filter_valid: r", "filter_bad: b[window]"))
    total = found.sli["ratioMetric"]["total"]["metricSource"]["spec"]["query"]
    assert total == '(sum(increase(r{code=~"2.."}[1m])) or vector(0)) + (sum(increase(b[1m])) or vector(0))'
    assert not found.slo.unsupported


def test_a_distribution_cut_is_a_latency() -> None:
    indicator = read(CUT).slo.indicator
    assert isinstance(indicator, Latency)
    assert indicator.threshold == 0.25


def test_a_query_of_the_sli_is_a_raw_ratio_of_good_events() -> None:
    found = read(CUT.replace("distribution_cut", "query_sli"))
    assert found.sli["ratioMetric"]["rawType"] == "success"


def test_one_sum_over_another_is_counted_exactly() -> None:
    query = "sum(rate(g[window])) / sum(rate(t[window]))"
    found = read(CUT.replace("distribution_cut", "query_sli").replace('d_bucket{job="w"}', query))
    assert found.sli["ratioMetric"]["good"]["metricSource"]["spec"] == {"selector": "g"}


def test_a_variable_of_the_environment_is_said_to_be_lost() -> None:
    found = read(TEXT.replace("filter_valid: r", "filter_valid: r{a='${JOB}'}"))
    assert "spec.service_level_indicator.filter_valid" in found.of("lost")


def test_another_backend_keeps_the_slo_and_says_that_nothing_is_measured() -> None:
    found = read(TEXT.replace("backend: prometheus", "backend: datadog"))
    assert found.problems == []
    assert "spec.backend" in found.of("lost")
    assert found.slo.unsupported


def test_keys_that_it_never_looks_at_are_named() -> None:
    assert read(TEXT.replace("  goal:", "  gaol: 1\n  goal:")).of("ignored") == ["spec.gaol"]


WRONG = [
    ("goal: 0.999", "goal: 99.9", "must be above 0 and below 1"),
    ("  goal: 0.999\n", "", "goal is required"),
    ("description: most are good", "description: ''", "description is required"),
    ("method: good_bad_ratio", "method: best", "no method of the prometheus backend"),
    ("    filter_valid: r\n", "", "filter_bad or filter_valid"),
    ("filter_valid: r", "filter_valid: r{", "is no PromQL"),
    ("  name: web", "  named: web", "name is required"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_what_it_could_not_run_is_refused(old: str, new: str, message: str) -> None:
    assert old in TEXT
    found = read(TEXT.replace(old, new))
    assert any(message in problem.message for problem in found.problems), found.problems
    assert found.slos == []


def test_a_cut_needs_a_bucket_and_a_threshold() -> None:
    assert "threshold_bucket is required" in read(CUT.replace("threshold_bucket", "threshold")).problems[0].message
    assert "_bucket series" in read(CUT.replace("d_bucket{", "d{")).problems[0].message


def test_the_shared_configuration_is_no_slo_and_said_to_be_lost() -> None:
    found = read("backends: {prometheus: {}}\nerror_budget_policies: {default: {steps: []}}\n")
    assert (found.problems, found.objects) == ([], [])
    assert found.of("lost") == ["backends", "error_budget_policies"]
