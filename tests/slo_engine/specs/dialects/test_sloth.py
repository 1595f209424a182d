"""Sloth's files and Kubernetes objects."""

from __future__ import annotations

import pytest

from slo_engine.specs.model import EventRatio, Latency, SelectorMetric
from tests.slo_engine.specs.dialects.reading import read

FILE = """\
version: prometheus/v1
service: web
labels: {team: a}
slos:
  - name: ok
    objective: 99.9
    sli:
      events:
        error_query: ERROR
        total_query: TOTAL
    alerting:
      name: WebErrors
"""
ERROR = 'sum(rate(http_total{code=~"(5..|429)"}[{{.window}}]))'
TOTAL = "sum(rate(http_total[{{ .window }}]))"


def _file(error: str = ERROR, total: str = TOTAL, old: str = "", new: str = "") -> str:
    text = FILE.replace("ERROR", f"'{error}'", 1).replace("TOTAL", f"'{total}'", 1)
    assert old in text
    return text.replace(old, new, 1) if old else text


def test_plain_counters_become_exact_selectors() -> None:
    found = read(_file())
    assert found.problems == []
    assert found.sli == {
        "ratioMetric": {
            "counter": True,
            "bad": {"metricSource": {"type": "burnline", "spec": {"selector": 'http_total{code=~"(5..|429)"}'}}},
            "total": {"metricSource": {"type": "burnline", "spec": {"selector": "http_total"}}},
        }
    }
    assert isinstance(found.slo.indicator, EventRatio)
    assert (found.slo.name, found.slo.service, found.slo.objective) == ("web-ok", "web", 0.999)
    assert found.objects[0]["metadata"]["labels"] == {"team": "a"}
    assert found.objects[0]["spec"]["timeWindow"] == [{"duration": "30d", "isRolling": True}]


def test_grouping_labels_become_by_however_they_are_written() -> None:
    error = 'sum by (model, region) (rate(x{a="b"}[{{.window}}]))'
    found = read(_file(error, "sum(increase(y[{{.window}}])) by (region, model)"))
    assert found.slo.by in (("model", "region"), ("region", "model"))


def test_all_minus_a_bucket_is_a_latency_in_seconds() -> None:
    error = '(sum(rate(d_count{v!="W"}[{{.window}}])) - sum(rate(d_bucket{le="0.4",v!="W"}[{{.window}}])))'
    found = read(_file(error, 'sum(rate(d_count{v!="W"}[{{.window}}]))'))
    indicator = found.slo.indicator
    assert isinstance(indicator, Latency)
    assert indicator.threshold == 0.4
    assert isinstance(indicator.metric, SelectorMetric)
    assert str(indicator.metric.selector) == 'd{v!="W"}'


def test_all_minus_other_counters_counts_these_as_good() -> None:
    found = read(_file("sum(rate(a[{{.window}}])) - sum(rate(b[{{.window}}]))", "sum(rate(a[{{.window}}]))"))
    assert found.sli["ratioMetric"]["good"]["metricSource"]["spec"] == {"selector": "b"}


def test_a_bucket_that_is_narrowed_otherwise_than_the_count_is_no_latency() -> None:
    error = 'sum(rate(d_count[{{.window}}])) - sum(rate(d_bucket{le="0.4",v="W"}[{{.window}}]))'
    found = read(_file(error, "sum(rate(d_count[{{.window}}]))"))
    assert found.sli["ratioMetric"]["good"]["metricSource"]["spec"] == {"selector": 'd_bucket{le="0.4",v="W"}'}


def test_anything_else_is_asked_by_the_minute_with_increase() -> None:
    found = read(_file("sum by (m) (rate(a[{{.window}}]) > 0)", "sum by (m) (rate(b[{{.window}}]) or vector(0))"))
    ratio = found.sli["ratioMetric"]
    assert ratio["counter"] is False
    assert ratio["bad"]["metricSource"] == {
        "type": "prometheus",
        "spec": {"query": "sum by (m) (increase(a[1m]) > 0)", "by": ["m"]},
    }
    assert found.problems == []
    assert not found.slo.unsupported


def test_a_query_without_a_rate_is_carried_over_with_a_doubt() -> None:
    found = read(_file("sum(max_over_time(a[{{.window}}]))", "sum(count_over_time(b[{{.window}}]))"))
    assert found.said.count(("chosen", 9, "slos[0].sli.events.error_query")) == 1


def _raw(query: str) -> str:
    events = f"events:\n        error_query: '{ERROR}'\n        total_query: '{TOTAL}'"
    return _file(old=events, new=f"raw: {{error_ratio_query: '{query}'}}")


def test_a_raw_ratio_of_two_plain_sums_is_counted_exactly() -> None:
    found = read(_raw("sum(rate(a[{{.window}}])) / (sum(rate(b[{{.window}}])))"))
    assert isinstance(found.slo.indicator, EventRatio)
    assert found.sli["ratioMetric"]["bad"]["metricSource"]["spec"] == {"selector": "a"}


def test_one_minus_a_share_of_good_events_is_counted_as_these() -> None:
    found = read(_raw('1 - (sum(rate(d_bucket{le="0.5"}[{{.window}}])) / sum(rate(d_count[{{.window}}])))'))
    assert isinstance(found.slo.indicator, Latency)


@pytest.mark.parametrize("query", ["1 - a[{{.window}}]", "2 - (a[{{.window}}] / b)", "a[{{.window}}] / b / c"])
def test_other_arithmetic_stays_a_raw_ratio(query: str) -> None:
    assert "raw" in read(_raw(query)).sli["ratioMetric"]


@pytest.mark.parametrize("ending", [" or vector(0)", "\n OR on() vector(0)"])
def test_what_was_not_seen_is_nothing_with_and_without_saying_so(ending: str) -> None:
    assert read(_file(ERROR + ending)).sli == read(_file()).sli


def test_zero_for_a_group_that_was_not_seen_stays_a_query() -> None:
    found = read(_file("sum by (m) (rate(a[{{.window}}])) or vector(0)", "sum by (m) (rate(b[{{.window}}]))"))
    assert found.sli["ratioMetric"]["counter"] is False


def test_labels_of_a_file_may_be_numbers_and_those_of_an_object_may_not() -> None:
    found = read(_file(old="{team: a}", new="{le: 0.2, on: true, n: 3}"))
    assert found.objects[0]["metadata"]["labels"] == {"le": "0.2", "on": "true", "n": "3"}
    body = _file(old="{team: a}", new="{le: 0.2}").replace("version: prometheus/v1\n", "")
    head = "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nspec:\n"
    problems = read(head + "".join(f"  {line}\n" for line in body.splitlines())).problems
    assert any("put it in quotes" in problem.message for problem in problems)


def test_a_go_template_in_a_label_is_said_to_be_lost() -> None:
    assert read(_file(old="{team: a}", new="{team: '{{ $labels.a }}'}")).of("lost")[0] == "labels.team"


def test_a_raw_ratio_is_kept_as_one() -> None:
    found = read(
        _file(
            old=FILE[FILE.index("      events") : FILE.index("    alerting")]
            .replace("ERROR", f"'{ERROR}'")
            .replace("TOTAL", f"'{TOTAL}'"),
            new="      raw:\n        error_ratio_query: 'a[{{.window}}]'\n",
        )
    )
    assert found.sli == {
        "ratioMetric": {
            "rawType": "failure",
            "raw": {"metricSource": {"type": "prometheus", "spec": {"query": "a[1m]"}}},
        }
    }


def test_a_plugin_keeps_its_slo_and_says_that_nothing_is_measured() -> None:
    events = f"events:\n        error_query: '{ERROR}'\n        total_query: '{TOTAL}'"
    found = read(_file(old=events, new="plugin: {id: mine, options: {a: b}}"))
    assert found.problems == []
    assert "slos[0].sli.plugin" in found.of("lost")
    assert found.slo.unsupported


def test_disabled_alerts_become_annotations_and_the_runbook_its_link() -> None:
    alerting = "alerting:\n      name: WebErrors"
    found = read(
        _file(
            old=alerting,
            new="alerting:\n      page_alert: {disable: true}\n      ticket_alert: {disable: true}\n"
            "      annotations: {runbook: 'https://x/y', summary: '{{ $labels.a }} is bad'}",
        )
    )
    assert found.objects[0]["metadata"]["annotations"] == {
        "burnline/page": "false",
        "burnline/ticket": "false",
        "burnline/runbook": "https://x/y",
    }
    assert found.of("lost") == ["slos[0].alerting.annotations.summary"]


def test_keys_that_sloth_drops_silently_are_named_with_their_lines() -> None:
    found = read(_file(old="      name: WebErrors", new="      name: W\n      pageAlert: {disable: true}"))
    assert ("ignored", 13, "slos[0].alerting.pageAlert") in found.said
    assert found.slo.alerting.page


def test_what_has_no_effect_is_a_note_on_the_slo() -> None:
    (note,) = read(_file()).slo.notes
    assert note.startswith("of its file for Sloth, 1 keys have no effect")


def test_the_note_counts_what_stands_in_its_own_slo_and_what_all_share() -> None:
    text = _file(old="labels: {team: a}", new="labels: {team: a}\nslo_plugins: {chain: []}")
    second = text[text.index("  - name: ok") :].replace("name: ok", "name: more")
    second = second.replace("name: WebErrors", "name: X\n      labels: {a: b}")
    notes = {slo.name: slo.notes[0] for slo in read(text + second).slos}
    assert "2 keys" in notes["web-ok"]
    assert "3 keys" in notes["web-more"]


WRONG = [
    ("service: web", "service: w", 2, "is not a name"),
    ("service: web\n", "", 1, "service is required"),
    ("objective: 99.9", "objective: 101", 6, "must be above 0 and below 100"),
    ("objective: 99.9", "objective: 100", 6, "divides by zero"),
    ("objective: 99.9", "objective: '99'", 6, "must be a number"),
    ("    objective: 99.9\n", "", 5, "objective is required"),
    ("      name: WebErrors", "      labels: {a: b}", 10, "name is required"),
    ("name: WebErrors", "name: W\n      labels: {a: ''}", 13, "must not be empty"),
    ("labels: {team: a}", "labels: {__name__: a}", 3, "is not allowed"),
    ("service: web", "Service: web", 1, "service is required"),
    ("slos:", "slots:", 1, "slos must have at least one"),
    ("[{{.window}}]", "[5m]", 9, "must hold the template"),
    ("http_total{", "http_total{{{.x}}", 9, "holds a template that Sloth does not know"),
    ("]))", "])", 9, "is no PromQL"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), WRONG)
def test_what_sloth_refuses_is_refused_at_its_line(old: str, new: str, line: int, message: str) -> None:
    found = read(_file(old=old, new=new))
    assert any(message in problem.message for problem in found.problems), found.problems
    assert found.slos == []
    if "name is required" not in message:
        assert found.problems[0].line == line, found.problems


def test_equal_queries_are_refused() -> None:
    (problem,) = read(_file(TOTAL, TOTAL)).problems
    assert "same query" in problem.message


def test_two_kinds_of_sli_are_refused() -> None:
    found = read(_file(old="      events:", new="      raw: {error_ratio_query: 'x[{{.window}}]'}\n      events:"))
    assert any("exactly one of events" in problem.message for problem in found.problems)


def test_the_kubernetes_object_says_the_same_in_its_own_spelling() -> None:
    body = _file().replace("version: prometheus/v1\n", "").replace("error_query", "errorQuery")
    body = body.replace("total_query", "totalQuery").replace(
        "name: WebErrors", "name: W\n      pageAlert: {disable: true}"
    )
    indented = "".join(f"  {line}\n" for line in body.splitlines())
    head = "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata: {name: web}\nspec:\n"
    found = read(head + indented)
    assert found.problems == []
    assert found.sli == read(_file()).sli
    assert not found.slo.alerting.page
    assert found.of("ignored") == []


WINDOWS = """\
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}
"""


def test_alert_windows_are_checked_and_said_to_be_lost() -> None:
    found = read(WINDOWS)
    assert (found.problems, found.objects, found.of("lost")) == ([], [], ["spec"])


@pytest.mark.parametrize(
    ("old", "new"),
    [("42", "0"), ("sloPeriod: 7d", "sloPeriod: 7"), ("longWindow: 3d", "longWindow: 0s"), ("slow", "s")],
)
def test_wrong_alert_windows_are_refused(old: str, new: str) -> None:
    assert read(WINDOWS.replace(old, new)).problems


def test_names_are_written_as_openslo_takes_them_and_the_old_one_is_shown() -> None:
    found = read(_file(old="name: ok", new="name: My_Slo.2"))
    assert found.objects[0]["metadata"]["name"] == "web-my-slo-2"
    assert found.objects[0]["metadata"]["displayName"] == "web-My_Slo.2"
