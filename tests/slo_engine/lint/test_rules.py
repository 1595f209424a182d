"""Each rule with an example that it finds and one that it leaves alone."""

from __future__ import annotations

import pytest

from core.yaml import load_text
from slo_engine.lint import RULES, Facts, Report, lint
from slo_engine.lint.facts import Histogram, Traffic
from slo_engine.specs.openslo import read_set
from tests.slo_engine.world import GOOD_REQUESTS, ratio, source, spec

POLICY = """\
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: wake}
spec:
  conditions:
    - kind: AlertCondition
      metadata: {name: fast}
      spec:
        severity: page
        condition: {kind: burnrate, op: OP, threshold: LIMIT, lookbackWindow: 1h}
  notificationTargets:
    - kind: AlertNotificationTarget
      metadata: {name: pager}
      spec: {target: pagerduty}
"""
TTFT = f"{{thresholdMetric: {source('signal: ttft, by: [model]')}}}"
PYRRA = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: web}
spec:
  target: 'TARGET'
  window: 4w
  indicator:
    ratio: {errors: {metric: bad}, total: {metric: all}}
"""
SLOTH = """\
version: prometheus/v1
service: web
slos:
  - name: ok
    objective: TARGET
    sli: {events: {error_query: 'sum(rate(a[{{.window}}]))', total_query: 'sum(rate(b[{{.window}}]))'}}
    alerting: {name: X}
"""
MODEL = (("model", "llama"),)


def _look(*texts: str, facts: Facts | None = None) -> Report:
    found = read_set([document for text in texts for document in load_text(text, "a.yaml")], [])
    assert found.catalogue.problems == ()
    return lint(found, facts or Facts(unknown="no ledger"))


def _found(rule: str, *texts: str, facts: Facts | None = None) -> list[tuple[int, str, str]]:
    findings = _look(*texts, facts=facts).findings
    return [(f.line, f.severity, f.message) for f in findings if f.rule == rule]


def _alerted(target: float, op: str = "gt", limit: float = 14.4) -> tuple[str, str]:
    slo = spec(target=target) + "  alertPolicies: [{alertPolicyRef: wake}]\n"
    return slo, POLICY.replace("OP", op).replace("LIMIT", str(limit))


# dead-alert


@pytest.mark.parametrize(
    ("target", "op", "limit", "dead"),
    [
        (90, "gt", 14.4, True),
        (93, "gt", 14.4, True),
        (93.1, "gt", 14.4, False),
        (99.9, "gt", 14.4, False),
        (90, "gt", 10, True),
        (90, "gte", 10, False),
        (90, "gte", 10.1, True),
        (90, "gt", 9.9, False),
    ],
)
def test_a_condition_is_dead_from_one_over_the_budget_on(target: float, op: str, limit: float, dead: bool) -> None:
    found = _found("dead-alert", *_alerted(target, op, limit))
    assert [(line, severity) for line, severity, _ in found] == ([(10, "error")] if dead else [])


def test_an_inline_policy_is_looked_at_and_a_price_has_no_end() -> None:
    inline = POLICY.replace("OP", "gt").replace("LIMIT", "20").split("spec:\n", 1)[1]
    policy = "  alertPolicies:\n    - kind: AlertPolicy\n      metadata: {name: p}\n      spec:\n"
    slo = spec(target=95) + policy + "".join(f"      {line}\n" for line in inline.splitlines())
    assert len(_found("dead-alert", slo)) == 1
    price = spec(f"{{thresholdMetric: {source('signal: cost, per: requests')}}}", 0, at_most=1)
    dear = price + policy + "".join(f"      {line}\n" for line in inline.splitlines())
    assert _found("dead-alert", dear) == []


@pytest.mark.parametrize(("target", "dead"), [("90", 1), ("92", 1), ("93", 0), ("99.9", 0)])
def test_pyrras_own_fast_page_is_dead_at_low_targets(target: str, dead: int) -> None:
    found = _found("dead-alert", PYRRA.replace("TARGET", target))
    assert [severity for _, severity, _ in found] == ["warning"] * dead


@pytest.mark.parametrize(("target", "dead"), [("93", 1), ("93.1", 0)])
def test_sloths_own_fast_page_is_dead_at_low_targets(target: str, dead: int) -> None:
    found = _found("dead-alert", SLOTH.replace("TARGET", target))
    assert len(found) == dead
    assert all(line == 5 and "14.4" in message for line, _, message in found)


def test_a_target_of_nothing_has_no_alert_that_can_fire() -> None:
    assert len(_found("dead-alert", spec(target=0))) == 1
    assert _found("dead-alert", spec(target=0, page="false", ticket="false")) == []
    assert _found("dead-alert", spec(target=1)) == []


# reversed-condition


@pytest.mark.parametrize(("op", "wrong"), [("lt", True), ("lte", True), ("gt", False), ("gte", False)])
def test_a_condition_that_fires_below_its_threshold_is_the_wrong_way_round(op: str, wrong: bool) -> None:
    alone = _found("reversed-condition", POLICY.replace("OP", op).replace("LIMIT", "2"))
    used = _found("reversed-condition", *_alerted(99.9, op, 2))
    assert [len(alone), len(used)] == ([1, 1] if wrong else [0, 0])


# same-query


def test_good_that_is_the_total_is_found_however_it_is_spelt() -> None:
    same = ratio('selector: \'r{a="b",c="d"}\'', 'selector: \'r{ c="d", a="b" }\'')
    assert len(_found("same-query", spec(same))) == 1
    assert _found("same-query", spec(GOOD_REQUESTS)) == []


def test_a_query_of_any_source_is_compared() -> None:
    metric = "{metricSource: {type: datadog, spec: {query: 'sum  (a)'}}}"
    other = metric.replace("sum  (a)", "sum (a)")
    assert len(_found("same-query", spec(f"{{ratioMetric: {{bad: {metric}, total: {other}}}}}"))) == 1
    assert _found("same-query", spec(f"{{ratioMetric: {{bad: {metric}, total: {other.replace('(a)', '(b)')}}}}}")) == []


# bucket-bound


def _histogram(*cells: int) -> Facts:
    return Facts(histograms={"fast": (Histogram((0.1, 0.4, 0.75), cells),)})


def test_a_threshold_between_buckets_names_its_neighbours_and_the_share_between() -> None:
    slo = spec(TTFT, 99, "fast", at_most=0.5)
    ((_, severity, message),) = _found("bucket-bound", slo, facts=_histogram(50, 40, 9, 1))
    assert severity == "warning"
    assert "between 0.4 and 0.75 s counts as bad, and 9.00% of the last week's events lie there" in message
    (finding,) = _look(slo, facts=_histogram(0, 0, 0, 0)).findings
    assert finding.advice == "write 0.4 or 0.75, or give the histogram a bucket at 0.5"
    assert "no event lies there yet" in finding.message


def test_a_threshold_on_a_bound_is_left_alone_and_one_beyond_them_all_is_not() -> None:
    assert _found("bucket-bound", spec(TTFT, 99, "fast", at_most=0.4), facts=_histogram(1, 1, 1, 1)) == []
    ((_, _, message),) = _found("bucket-bound", spec(TTFT, 99, "fast", at_most=2), facts=_histogram(1, 1, 1, 1))
    assert "above 0.75 s" in message


def test_without_a_ledger_and_without_a_histogram_it_says_that_it_did_not_look() -> None:
    slo = spec(TTFT, 99, "fast", at_most=0.5)
    assert ("bucket-bound", "no ledger") in _look(slo).unchecked
    reasons = [u.reason for u in _look(slo, facts=Facts()).unchecked if u.rule == "bucket-bound"]
    assert reasons == ["fast: no histogram of it was counted in the last week"]


# low-traffic


def _traffic(*events: int) -> Facts:
    groups = tuple(Traffic((("model", f"m{i}"),), n, 3600.0) for i, n in enumerate(events))
    return Facts(traffic={"success": groups})


@pytest.mark.parametrize(
    ("target", "events", "thin"), [(99.9, 69, True), (99.9, 70, False), (99, 6, True), (99, 7, False)]
)
def test_one_failure_pages_under_the_workbooks_number_of_events(target: float, events: int, thin: bool) -> None:
    found = _found("low-traffic", spec(target=target), facts=_traffic(events))
    assert any("in 1h on average" in message for _, _, message in found) == thin


def test_the_least_of_the_thin_groups_is_named() -> None:
    ((_, _, message),) = _found("low-traffic", spec(target=99), facts=_traffic(1000, 3, 5))
    assert "3 events in 1h on average in 2 of 3 groups, the least in model=m1" in message


def test_an_slo_that_pages_nobody_and_one_without_traffic_are_left_alone() -> None:
    assert _found("low-traffic", spec(page="false"), facts=_traffic(1)) == []
    report = _look(spec(), facts=_traffic(0))
    assert ("low-traffic", "success: nothing of it was counted in the last week") in report.unchecked
    assert [f for f in report.findings if f.rule == "low-traffic"] == []


# dependency


def _depends(names: str, target: float = 99.9) -> str:
    return spec(target=target, extra=f", burnline/depends-on: '{names}'")


def test_a_target_above_the_product_of_its_dependencies_is_found() -> None:
    parts = [spec(target=99.95, name="gateway"), spec(target=99.94, name="store")]
    ((_, _, message),) = _found("dependency", _depends("gateway, store"), *parts)
    assert message == ("success promises 99.9 %, but gateway (99.95 %), store (99.94 %) in a row keep 99.89 %")
    assert _found("dependency", _depends("gateway, store", 99.89), *parts) == []
    assert _found("dependency", _depends("gateway"), *parts) == []


@pytest.mark.parametrize("name", ["success", "gatewy"])
def test_a_dependency_that_is_no_other_slo_is_named(name: str) -> None:
    ((line, _, message),) = _found("dependency", _depends(name), spec(name="gateway"))
    assert line == 5
    assert "is no other SLO" in message


# dropped-key


def test_a_key_that_its_tool_drops_is_found_with_what_was_meant() -> None:
    text = SLOTH.replace("TARGET", "99.9").replace("{name: X}", "{name: X, pageAlert: {disable: true}}")
    (finding,) = [f for f in _look(text).findings if f.rule == "dropped-key"]
    assert (finding.line, finding.advice) == (7, "did you mean 'page_alert'?")
    assert _found("dropped-key", SLOTH.replace("TARGET", "99.9")) == []


# label-cardinality


@pytest.mark.parametrize(
    ("label", "found"), [("pod", 1), ("request_id", 1), ("user", 1), ("Trace_ID", 1), ("model", 0)]
)
def test_a_label_that_is_an_id_by_its_name_is_found(label: str, found: int) -> None:
    slo = spec(ratio(f"selector: good, by: [{label}]", f"selector: all, by: [{label}]"))
    assert len(_found("label-cardinality", slo)) == found


def test_a_label_with_more_values_than_the_cap_is_found_in_the_ledger() -> None:
    facts = Facts(traffic=_traffic(*[100] * 11).traffic, cap=10)
    messages = [message for _, _, message in _found("label-cardinality", spec(), facts=facts)]
    assert messages == [
        "success has 11 groups, over the cap of 10",
        "success is measured by model: the ledger has seen 11 values, over the cap of 10",
    ]
    assert _found("label-cardinality", spec(), facts=Facts(traffic=facts.traffic, cap=11)) == []


# All of them.


def test_the_packs_that_burnline_brings_have_nothing_to_change() -> None:
    from slo_engine.packs import pack_documents, pack_names

    for name in pack_names():
        assert lint(read_set(pack_documents(name), []), Facts(unknown="no ledger")).findings == ()


def test_what_is_not_valid_is_named_and_the_rest_is_looked_at() -> None:
    found = read_set(load_text(spec(target=200) + "---\n" + POLICY.replace("OP", "lt").replace("LIMIT", "2"), "a"), [])
    report = lint(found, Facts())
    assert report.problems
    assert [f.rule for f in report.findings] == ["reversed-condition"]
    assert report.fails(strict=False)


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
