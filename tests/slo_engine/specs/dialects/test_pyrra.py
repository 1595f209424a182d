"""Pyrra's objects."""

from __future__ import annotations

import pytest

from slo_engine.specs.model import EventRatio, Latency
from tests.slo_engine.specs.dialects.reading import read

HEAD = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata:
  name: web
  labels: {pyrra.dev/team: a, role: b}
spec:
  target: '99.5'
  window: 4w
  indicator:
"""
RATIO = """\
    ratio:
      errors: {metric: 'r{code=~"5.."}'}
      total: {metric: r}
      grouping: [handler]
"""
LATENCY = """\
    latency:
      success: {metric: 'd_bucket{job="w",le="0.25"}'}
      total: {metric: 'd_count{job="w"}'}
"""


def test_a_ratio_becomes_exact_selectors_by_its_grouping() -> None:
    found = read(HEAD + RATIO)
    assert found.problems == []
    assert isinstance(found.slo.indicator, EventRatio)
    assert found.slo.by == ("handler",)
    assert (found.slo.objective, found.slo.window_seconds) == (0.995, 28 * 86400)
    assert found.of("lost") == ["metadata.labels.pyrra.dev/team"]


def test_a_latency_becomes_a_threshold_of_its_le_in_seconds() -> None:
    found = read(HEAD + LATENCY)
    indicator = found.slo.indicator
    assert isinstance(indicator, Latency)
    assert indicator.threshold == 0.25
    assert found.objects[0]["spec"]["objectives"] == [{"op": "lte", "value": 0.25, "targetPercent": 99.5}]


def test_a_latency_whose_sides_are_narrowed_differently_is_a_plain_ratio() -> None:
    found = read(HEAD + LATENCY.replace('d_count{job="w"}', "d_count"))
    assert found.problems == []
    assert "good" in found.sli["ratioMetric"]


def test_the_case_of_keys_does_not_matter_as_in_gos_json() -> None:
    assert read((HEAD + RATIO).replace("window:", "Window:").replace("errors:", "ERRORS:")).problems == []


def test_a_list_of_kubernetes_is_read_item_by_item_at_their_lines() -> None:
    one = "".join(f"    {line}\n" for line in (HEAD + RATIO).splitlines())
    items = "".join("  - " + one.replace("name: web", f"name: web{i}")[4:] for i in range(2))
    found = read(f"apiVersion: v1\nkind: List\nitems:\n{items}")
    assert ([slo.name for slo in found.slos], found.problems) == (["web0", "web1"], [])
    (problem,) = read(f"apiVersion: v1\nkind: List\nitems:\n{items}".replace("'99.5'", "'0'", 1)).problems
    assert str(problem).startswith("a.yaml:10: spec.target: must be above 0")


def test_an_offset_is_lost_and_a_selector_may_do_without_a_name() -> None:
    found = read(HEAD + RATIO.replace("metric: r}", "metric: 'r offset 1m'}"))
    assert (found.problems, found.of("lost")[-1]) == ([], "spec.indicator.ratio.total.metric")
    named = read(HEAD + RATIO.replace("metric: r}", "metric: '{__name__=\"r\"}'}"))
    assert named.problems == []


def test_native_histograms_and_gauges_are_asked_of_a_server() -> None:
    native = read(HEAD + "    latencyNative: {latency: 200ms, total: {metric: d}, grouping: [m]}\n")
    query = native.sli["ratioMetric"]["good"]["metricSource"]["spec"]["query"]
    assert query == (
        "histogram_fraction(0, 0.2, sum by (m) (increase(d[1m]))) * histogram_count(sum by (m) (increase(d[1m])))"
    )
    gauge = read(HEAD + "    bool_gauge: {metric: up}\n")
    assert gauge.sli["ratioMetric"]["total"]["metricSource"]["spec"] == {"query": "sum (count_over_time(up[1m]))"}
    assert not native.slo.unsupported
    assert not gauge.slo.unsupported


def test_alerting_is_carried_over_as_far_as_there_is_a_place_for_it() -> None:
    found = read(HEAD + RATIO + "  alerting: {burnrates: false, name: Mine, absent: false}\n")
    assert found.objects[0]["metadata"]["annotations"] == {"burnline/page": "false", "burnline/ticket": "false"}
    assert set(found.of("lost")) >= {"spec.alerting.absent", "spec.alerting.name"}


WRONG = [
    ("target: '99.5'", "target: 99.5", "must be text"),
    ("target: '99.5'", "target: ninety", "is no number"),
    ("target: '99.5'", "target: '101'", "must be above 0 and below 100"),
    ("target: '99.5'", "target: '0.995'", "is a percentage"),
    ("window: 4w", "window: 4 weeks", "is not a duration"),
    ("window: 4w", "window: 90s", "parts of a minute"),
    ("window: 4w", "windows: 4w", "unknown key 'windows'"),
    ("metric: r}", "metric: 'sum(r)'}", "no plain selector"),
    ("metric: r}", "metrics: r}", "metric is required"),
    ("    ratio:", "    bool_gauge: {metric: up}\n    ratio:", "exactly one of ratio"),
    ("  name: web", "  names: web", "name is required"),
    ("kind: ServiceLevelObjective", "kind: X", "is no kind of Pyrra"),
    ("grouping: [handler]", "grouping: handler", "must be a list"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_what_pyrra_refuses_is_refused(old: str, new: str, message: str) -> None:
    text = HEAD + RATIO
    assert old in text
    found = read(text.replace(old, new))
    assert any(message in problem.message for problem in found.problems), found.problems
    assert found.slos == []


def test_a_latency_needs_a_bucket() -> None:
    found = read(HEAD + LATENCY.replace(',le="0.25"', ""))
    assert "must have a matcher on le" in found.problems[0].message
