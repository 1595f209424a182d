"""OpenSLO v1alpha, as Sloth reads it."""

from __future__ import annotations

import pytest

from slo_engine.specs.model import EventRatio, Latency
from tests.slo_engine.specs.dialects.reading import read

GOOD = """\
    - target: 0.999
      ratioMetrics:
        good: {source: prometheus, queryType: promql, query: 'sum(rate(g[{{.window}}]))'}
        total: {source: prometheus, queryType: promql, query: 'sum(rate(t[{{.window}}]))'}
"""
FAST = GOOD.replace("rate(g[", 'rate(d_bucket{le="1"}[').replace("rate(t[", "rate(d_count[")
TEXT = f"""\
apiVersion: openslo/v1alpha
kind: SLO
metadata: {{name: web}}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindows: [{{unit: Day, count: 7}}]
  objectives:
{GOOD}"""


def test_one_objective_keeps_the_name_and_several_are_numbered() -> None:
    found = read(TEXT)
    assert (found.problems, found.slo.name, found.slo.window_seconds) == ([], "web", 7 * 86400)
    assert isinstance(found.slo.indicator, EventRatio)
    two = read(TEXT + FAST)
    assert [slo.name for slo in two.slos] == ["web-0", "web-1"]
    assert isinstance(two.slos[1].indicator, Latency)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: Day", "unit: Week", "unit Day"),
        ("target: 0.999", "target: 99", "must be above 0 and below 1"),
        ("source: prometheus", "source: datadog", "source: prometheus"),
        ("ratioMetrics", "ratios", "ratioMetrics is required"),
        ("kind: SLO", "kind: AlertPolicy", "only SLO and Service"),
        ("[{{.window}}]))'", "[{{.window}}])'", "is no PromQL"),
    ],
)
def test_what_sloth_would_not_read_is_refused(old: str, new: str, message: str) -> None:
    assert old in TEXT
    found = read(TEXT.replace(old, new))
    assert any(message in problem.message for problem in found.problems), found.problems
