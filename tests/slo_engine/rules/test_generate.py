"""What is generated for an SLO, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import pytest

from core.errors import Place
from core.matchers import parse_selector
from slo_engine.compile import Formula
from slo_engine.evaluate import policy_of
from slo_engine.rules import RulePolicy, generate
from slo_engine.rules.recording import Rule
from slo_engine.specs.model import (
    AlertCondition,
    Alerting,
    Calendar,
    EventRatio,
    Exclude,
    Indicator,
    Latency,
    Override,
    SelectorMetric,
    SignalMetric,
    Slo,
    TimeSlices,
)
from slo_engine.windows import workbook_for


def selector(text: str, by: tuple[str, ...] = ()) -> SelectorMetric:
    return SelectorMetric(parse_selector(text), by)


def slo(indicator: Indicator | None = None, **fields: object) -> Slo:
    by = ("region",)
    usual = EventRatio(selector("all_total", by), bad=selector('all_total{code="500"}', by))
    made = Slo(
        name="promise",
        group="promise",
        service="chat",
        description="All is well.",
        indicator=indicator or usual,
        objective=0.999,
        objective_exact=Fraction(999, 1000),
        threshold=None,
        op=None,
        window_seconds=30 * 86_400,
        by=by,
        alerting=Alerting(),
        annotations={},
        source=Place("slo.yaml", 1),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def rules(one: Slo, policy: RulePolicy = RulePolicy.BURNLINE) -> Mapping[tuple[str, str], Rule]:
    generated = generate([one], policy=policy)
    assert not generated.left_out
    return {(rule.name, rule.labels.get("severity", "")): rule for group in generated.groups for rule in group.rules}


def test_every_window_of_the_policy_is_recorded_and_every_severity_alerts() -> None:
    found = rules(slo())
    for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d"):
        for name in (
            f"slo:bad:increase{window}",
            f"slo:total:increase{window}",
            f"slo:bad_per_total:ratio_increase{window}",
        ):
            assert (name, "") in found
    assert ("slo:budget_left:ratio_increase30d", "") in found
    assert {key for key in found if key[1]} == {("ErrorBudgetBurn", "page"), ("ErrorBudgetBurn", "ticket")}


def test_thresholds_are_the_factors_of_the_policy_times_the_budget() -> None:
    page, ticket = (rules(slo())["ErrorBudgetBurn", severity].expression for severity in ("page", "ticket"))
    assert page.count("> 0.0144\n") == 2 and page.count("> 0.006\n") == 2
    assert ticket.count("> 0.003\n") == 2 and ticket.count("> 0.001\n") == 2


@pytest.mark.parametrize("days", [1, 7, 28, 30, 90])
@pytest.mark.parametrize("target", [Fraction(8, 10), Fraction(95, 100), Fraction(9995, 10_000)])
def test_policies_take_the_tables_that_they_say(days: int, target: Fraction) -> None:
    one = slo(window_seconds=days * 86_400, objective_exact=target)
    assert RulePolicy.BURNLINE.rows(one) == policy_of(Formula(one, (), part_is_good=False))
    for policy in (RulePolicy.WORKBOOK, RulePolicy.SLOTH):
        assert policy.rows(one) == workbook_for(days * 86_400)
    assert [row.budget_share for row in workbook_for(days * 86_400).rows] == [Fraction(n, 100) for n in (2, 5, 10, 10)]


def test_few_bad_events_and_a_second_calm_minute_are_in_all_policies_but_sloths() -> None:
    for policy in (RulePolicy.BURNLINE, RulePolicy.WORKBOOK):
        alert = rules(slo(), policy)["ErrorBudgetBurn", "page"]
        assert alert.expression.count(">= 5") == 2 and alert.keeps_firing == 60
    alert = rules(slo(), RulePolicy.SLOTH)["ErrorBudgetBurn", "page"]
    assert ">= 5" not in alert.expression and alert.keeps_firing == 0


def test_an_alert_that_is_off_is_not_written() -> None:
    found = rules(slo(alerting=Alerting(page=False)))
    assert ("ErrorBudgetBurn", "page") not in found and ("ErrorBudgetBurn", "ticket") in found


def test_text_of_a_description_is_no_template() -> None:
    alert = rules(slo(description='Use {{ $labels.x }} and "quotes".'))["ErrorBudgetBurn", "page"]
    assert alert.annotations["description"] == '{{ "Use {{ $labels.x }} and \\"quotes\\"." }}'


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (slo(unsupported="composite SLOs"), "composite SLOs"),
        (slo(TimeSlices(EventRatio(selector("a_total"), bad=selector("b_total")), 60, None)), "time slices"),
        (slo(calendar=Calendar(datetime.fromisoformat("2026-01-01"), "UTC", 1, "M")), "a calendar's period"),
        (slo(overrides=(Override((), Fraction(1, 2)),)), "targets of their own"),
        (slo(exclude=Exclude(maintenance=True)), "leaves out time"),
        (
            slo(conditions=(AlertCondition("c", "page", Fraction(2), False, 3600, 60, True, False),)),
            "alert policies",
        ),  # as in the model
        (slo(EventRatio(SignalMetric("requests"), bad=SignalMetric("requests"))), "--engine"),
        (slo(EventRatio(selector('{__name__=~"a|b"}'), bad=selector("a_total"))), "no single metric"),
        (slo(by=("slo",)), "slo"),
        (slo(EventRatio(SignalMetric("judged"), bad=SignalMetric("judged"))), "interval"),
    ],
)
def test_what_promql_cannot_say_is_left_out_with_the_reason(one: Slo, reason: str) -> None:
    generated = generate([one, slo(name="other")])
    assert [group.name for group in generated.groups] == ["burnline-other", "burnline-other-period"]
    (left,) = generated.left_out
    assert reason in left.reason


def test_a_latency_says_which_bucket_it_needs() -> None:
    generated = generate([slo(Latency(selector("wait_seconds"), 0.25), by=())])
    assert generated.notes == (
        ("promise", "needs a bucket with the bound 0.25 of wait_seconds: without it there is no result"),
    )


@pytest.mark.parametrize(("days", "noted"), [(1, "every 15s"), (3, "every 45s"), (7, None), (30, None)])
def test_windows_that_a_usual_scrape_interval_may_leave_empty_are_noted(days: int, noted: str | None) -> None:
    notes = generate([slo(window_seconds=days * 86_400)]).notes
    assert [noted in text for _, text in notes if noted] == ([True] if noted else [])
    assert bool(notes) == bool(noted)
