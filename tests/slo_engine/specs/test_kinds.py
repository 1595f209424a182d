"""Each kind's rules: a spec is text, the wrong line is marked with `# <-`, and exactly that line is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.specs.validate import Problem, validate

SERVICE = """\
apiVersion: openslo/v1
kind: Service
metadata:
  name: web
spec:
  description: the shop
"""

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: web-success
  annotations:
    burnline/page: "true"
spec:
  service: web
  indicator:
    metadata:
      name: web-success
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource:
            type: Prometheus
            spec: {query: good}
        total:
          metricSource:
            type: Prometheus
            spec: {query: total}
  timeWindow:
    - duration: 30d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.999
"""

THRESHOLD_SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: web-latency
spec:
  service: web
  indicator:
    metadata:
      name: web-latency
    spec:
      thresholdMetric:
        metricSource:
          type: Prometheus
          spec: {query: latency}
  timeWindow:
    - duration: 1M
      isRolling: false
      calendar:
        startTime: 2022-01-01 12:00:00
        timeZone: Europe/Warsaw
  budgetingMethod: Timeslices
  objectives:
    - op: lte
      value: 0
      target: 0
      timeSliceTarget: 1
      timeSliceWindow: 5m
"""

POLICY = """\
apiVersion: openslo/v1
kind: AlertPolicy
metadata:
  name: wake
spec:
  alertWhenBreaching: true
  conditions:
    - kind: AlertCondition
      metadata:
        name: fast
      spec:
        severity: page
        condition:
          kind: burnrate
          op: gt
          threshold: 2
          lookbackWindow: 1h
          alertAfter: 5m
  notificationTargets:
    - kind: AlertNotificationTarget
      metadata:
        name: pager
      spec:
        target: pagerduty
"""

DATA_SOURCE = """\
apiVersion: openslo/v1
kind: DataSource
metadata:
  name: prometheus
  labels:
    env: prod
    team: [a, b]
  annotations:
    example.com/folder: here
spec:
  type: Prometheus
  connectionDetails:
    - url: http://prometheus.example
"""

SLI = """\
apiVersion: openslo/v1
kind: SLI
metadata:
  name: satisfaction
spec:
  ratioMetric:
    rawType: success
    raw:
      metricSource:
        metricSourceRef: prometheus
        spec: {query: ratio}
"""


def problems(tmp_path: Path, text: str) -> list[Problem]:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    return validate([file])


@pytest.mark.parametrize("text", [SERVICE, SLO, THRESHOLD_SLO, POLICY, DATA_SOURCE, SLI])
def test_a_right_object_has_no_problem(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


WRONG = [
    (SERVICE, "kind: Service", "kind: service  # <-", "'service' is not a kind; did you mean 'Service'?"),
    (SERVICE, "kind: Service\n", "", "kind is required"),
    (SERVICE, "  name: web", "  name: Web Shop  # <-", "metadata.name: 'Web Shop' is not a name"),
    (SERVICE, "  name: web", f"  name: {'w' * 64}  # <-", "at most 63 characters"),
    (SERVICE, "  name: web", "  name: 12  # <-", "must be text, not a number: put it in quotes"),
    (SERVICE, "  name: web", "  name: null\n", "name is required"),
    (
        SERVICE,
        "  description: the shop",
        "  descripton: x  # <-",
        "unknown key 'descripton'; did you mean 'description'?",
    ),
    (
        SERVICE,
        "  description: the shop",
        "  description: x\n  Description: y  # <-",
        "the key 'Description' stands twice",
    ),
    (SERVICE, "  description: the shop", f"  description: {'x' * 1051}  # <-", "at most 1050"),
    (SERVICE, "  name: web", f"  name: web\n  displayName: {'x' * 64}  # <-", "at most 63"),
    (SERVICE, "spec:\n  description: the shop", "spec: [1]  # <-", "spec: must be a mapping, not a list"),
    (SLO, "  service: web", "  service: ''  # <-", "service is required"),
    (SLO, "budgetingMethod: Occurrences", "budgetingMethod: Occurences  # <-", "did you mean 'Occurrences'?"),
    (SLO, "duration: 30d", "duration: Week  # <-", "'Week' is not an OpenSLO duration"),
    (SLO, "duration: 30d", "duration: 30  # <-", "must be text, not a number"),
    (SLO, "isRolling: true", "isRolling: 'true'  # <-", "must be true or false, not text: write it without quotes"),
    (
        SLO,
        "    - duration: 30d\n      isRolling: true",
        "    - duration: 30d  # <-",
        "calendar is required when isRolling",
    ),
    (SLO, "  timeWindow:\n    - duration: 30d\n      isRolling: true\n", "", "timeWindow must have exactly 1, not 0"),
    (SLO, "    - target: 0.999", "    - target: 99.9  # <-", "a percentage is written as targetPercent"),
    (SLO, "    - target: 0.999", "    - target: .nan  # <-", "must be a finite number"),
    (SLO, "    - target: 0.999", f"    - target: 1{'0' * 400}  # <-", "must be a finite number"),
    (SLO, "duration: 30d", f"duration: {'9' * 5000}d  # <-", "Exceeds the limit"),
    (SLO, "    - target: 0.999", "    - targetPercent: 100  # <-", "below 100"),
    (SLO, "    - target: 0.999", "    - displayName: x  # <-", "write exactly one of target and targetPercent: none"),
    (SLO, "    - target: 0.999", "    - target: 0.9  # <-\n      targetPercent: 90", "both are there"),
    (
        SLO,
        "    - target: 0.999",
        "    - target: 0.9\n      op: gt  # <-",
        "op: is not allowed with an inline ratioMetric",
    ),
    (
        SLO,
        "    - target: 0.999",
        "    - target: 0.9\n      value: 0  # <-",
        "value: is not allowed with an inline ratio",
    ),
    (SLO, "    - target: 0.999", "    - target: true  # <-", "must be a number, not a boolean"),
    (SLO, "        good:", "        god:", "unknown key 'god'; did you mean 'good'?"),
    (SLO, "        good:", "        raw:", "exactly one of total and raw: both"),
    (SLO, "            spec: {query: good}", "            spec: {}  # <-", "must have at least one key"),
    (
        SLO,
        "  indicator:",
        "  indicatorRef: web-success\n  indicator:",
        "exactly one of indicator and indicatorRef: both",
    ),
    (SLO, 'burnline/page: "true"', "burnline/page: true  # <-", "must be text, not a boolean: put it in quotes"),
    (SLO, 'burnline/page: "true"', 'burnline/page: "yes"  # <-', 'must be "true" or "false", not \'yes\''),
    (SLO, 'burnline/page: "true"', 'burnline/pages: "true"  # <-', "did you mean 'burnline/page'?"),
    (SLO, 'burnline/page: "true"', 'Bad_Host/page: "true"  # <-', "is not an annotation key"),
    (
        SLO,
        "    - target: 0.999",
        "    - target: 0.9\n  alertPolicies:\n    - wake  # <-",
        "write {alertPolicyRef: wake}",
    ),
    (
        THRESHOLD_SLO,
        "    - op: lte\n      value: 0\n      target: 0",
        "    - target: 0  # <-",
        "op is required with a thresholdMetric",
    ),
    (THRESHOLD_SLO, "op: lte", "op: le  # <-", "'le' is not valid; did you mean 'lte'?"),
    (THRESHOLD_SLO, "timeSliceTarget: 1", "timeSliceTarget: 0  # <-", "must be above 0 and at most 1"),
    (THRESHOLD_SLO, "timeSliceWindow: 5m", "timeSliceWindow: 5  # <-", "must be text"),
    (THRESHOLD_SLO, "isRolling: false", "isRolling: true", "is not allowed when isRolling is true"),
    (THRESHOLD_SLO, "2022-01-01 12:00:00", "2022-13-01 12:00:00  # <-", "is not a time"),
    (THRESHOLD_SLO, "2022-01-01 12:00:00", "Monday  # <-", "is not a time"),
    (THRESHOLD_SLO, "Europe/Warsaw", "Europe/Warzaw  # <-", "is not a time zone"),
    (POLICY, "op: gt", "op: above  # <-", "is not valid"),
    (POLICY, "lookbackWindow: 1h", "lookbackWindow: -1h  # <-", "is not an OpenSLO duration"),
    (POLICY, "        severity: page\n", "", "severity is required"),
    (POLICY, "          kind: burnrate", "          kind: rate  # <-", "did you mean 'burnrate'?"),
    (POLICY, "    - kind: AlertCondition", "    - kind: AlertPolicy  # <-", "write one of AlertCondition"),
    (POLICY, "alertWhenBreaching: true", "alertWhenBreached: true  # <-", "did you mean 'alertWhenBreaching'?"),
    (DATA_SOURCE, "    env: prod", "    example.com/env: prod  # <-", "is not a label key"),
    (DATA_SOURCE, "    env: prod", "    env: 1  # <-", "must be text"),
    (DATA_SOURCE, "[a, b]", "[a, 2]  # <-", "metadata.labels.team[1]: must be text"),
    (DATA_SOURCE, "  type: Prometheus\n", "", "type is required"),
    (SLI, "    rawType: success\n", "", "rawType is required with raw"),
    (SLI, "rawType: success", "rawType: good  # <-", "'good' is not valid"),
    (SLI, "metricSourceRef: prometheus", "metricSourceRef: My_Prometheus  # <-", "is not a name"),
]


@pytest.mark.parametrize(("text", "old", "new", "message"), WRONG)
def test_a_fault_is_reported_with_its_line(tmp_path: Path, text: str, old: str, new: str, message: str) -> None:
    assert text.count(old) == 1
    changed = text.replace(old, new)
    found = problems(tmp_path, changed)
    assert any(message in problem.message for problem in found), found
    marked = [number for number, line in enumerate(changed.splitlines(), 1) if "# <-" in line]
    if marked:
        assert {problem.line for problem in found} == set(marked), found


def test_every_fault_of_a_file_is_reported_in_the_order_of_lines(tmp_path: Path) -> None:
    text = SERVICE.replace("web", "We b") + "---\n" + SLO.replace("30d", "30x").replace("0.999", "2")
    wrong = [
        number for number, line in enumerate(text.splitlines(), 1) if any(x in line for x in ("We b", "30x", ": 2"))
    ]
    assert [problem.line for problem in problems(tmp_path, text)] == wrong == [4, 31, 35]


def test_both_conditions_of_a_policy_with_two_are_one_too_many(tmp_path: Path) -> None:
    start, end = POLICY.index("    - kind: AlertCondition"), POLICY.index("  notificationTargets")
    found = problems(tmp_path, POLICY[:end] + POLICY[start:end] + POLICY[end:])
    assert [(p.line, p.message) for p in found] == [(7, "spec.conditions: conditions must have exactly 1, not 2")]


def test_keys_are_matched_without_regard_to_case_and_null_is_absent(tmp_path: Path) -> None:
    text = SLO.replace("budgetingMethod", "BudgetingMethod") + "  alertPolicies:\n"
    assert problems(tmp_path, text) == []


def test_a_list_of_objects_is_read_as_its_items_with_paths_within_each(tmp_path: Path) -> None:
    lines = SERVICE.replace("the shop", "[x]").splitlines(keepends=True)
    item = "- " + lines[0] + "".join("  " + line for line in lines[1:])
    found = problems(tmp_path, item + item.replace("name: web", "name: shop"))
    assert [(p.line, p.message) for p in found] == [
        (6, "spec.description: must be text, not a list"),
        (12, "spec.description: must be text, not a list"),
    ]


def test_an_slo_whose_objectives_bring_indicators_must_not_have_one_of_its_own(tmp_path: Path) -> None:
    text = SLO + "      indicatorRef: other\n" + "---\n" + SLI.replace("satisfaction", "other")
    assert [p.message for p in problems(tmp_path, text)] == [
        "spec: indicator or indicatorRef stands either here or on each objective, not in both places"
    ]


def test_timeslices_need_a_target_and_a_window_and_ratio_timeslices_a_window(tmp_path: Path) -> None:
    for method, needed in (("Timeslices", 2), ("RatioTimeslices", 1), ("Occurrences", 0)):
        found = problems(tmp_path, SLO.replace("Occurrences", method))
        assert len(found) == needed
        assert all("is required with " + method in p.message for p in found)


def test_a_composite_weight_must_be_positive(tmp_path: Path) -> None:
    start, end = SLO.index("  indicator:"), SLO.index("  timeWindow:")
    objective = "      indicatorRef: satisfaction\n      compositeWeight: -1\n"
    found = problems(tmp_path, SLO[:start] + SLO[end:] + objective + "---\n" + SLI)
    assert [p.message for p in found] == ["spec.objectives[0].compositeWeight: must be above 0, not -1"]
