"""What the burnline/ annotations say of groups and of time that does not count."""

from __future__ import annotations

from fractions import Fraction

import pytest

from slo_engine.specs.model import BudgetPolicy, Exclude
from tests.slo_engine.specs.test_reading import catalogue, fault, line_of, ratio, slo, slo_text, threshold

REQUESTS = ratio(
    """{signal: requests, where: 'outcome="good"', by: [model, tenant]}""", "{signal: requests, by: [model, tenant]}"
)


def with_override(value: str, key: str = "override-1", sli: str = REQUESTS, objective: str = "target: 0.999") -> str:
    return slo_text(sli, objective).replace("team: serving", f"team: serving\n    burnline/{key}: '{value}'")


def test_overrides_are_targets_of_groups_in_the_order_of_their_numbers() -> None:
    text = with_override('tenant="free": 99').replace(
        "team: serving", """team: serving\n    burnline/override-10: 'model=~"llama.*": 99.95'"""
    )
    found = slo(text).overrides
    assert [(one.text, one.objective) for one in found] == [
        ('tenant="free"', Fraction(99, 100)),
        ('model=~"llama.*"', Fraction(1999, 2000)),
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("free: 99", "expected one of"),
        ('tenant="free"', "is no override: write matchers and a percentage"),
        ("99", "is no override"),
        ('tenant="free": 100', "is no override"),
        ('tenant="free": 0.0', "must be above 0 %"),
        ('tenant="free": 99 %', "is no override"),
        (": 99", "is no override"),
        ('tenant=~"(": 99', "is not an RE2 expression"),
        ('region="eu": 99', "region is no label of its groups: they are made by model, tenant"),
    ],
)
def test_a_broken_override_is_refused_at_its_line(value: str, message: str) -> None:
    text = with_override(value)
    line, found = fault(text)
    assert message in found
    assert line == line_of(text, "burnline/override")


def test_overrides_are_for_one_target_of_what_is_counted() -> None:
    assert "has no annotation 'burnline/override-0'" in str(
        catalogue(with_override('tenant="a": 99', "override-0")).problems
    )
    two = with_override('tenant="free": 99').replace("- {target: 0.999}", "- {target: 0.999}\n    - {target: 0.9}")
    assert "which of the objectives is meant" in fault(two)[1]
    price = threshold("{signal: cost, per: generation_tokens, by: [tenant]}")
    priced = with_override('tenant="free": 99', sli=price, objective="op: lte, value: 1, target: 0")
    assert "a price has no target" in fault(priced)[1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("maintenance", Exclude(maintenance=True)),
        ("deployments 10m", Exclude(deployments=600)),
        ("deployments 1h, maintenance", Exclude(maintenance=True, deployments=3600)),
    ],
)
def test_an_slo_says_what_it_does_not_count(text: str, found: Exclude) -> None:
    assert slo(with_override(text, "exclude")).exclude == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "excludes nothing: write maintenance, or deployments"),
        ("weekends", "excludes nothing"),
        ("deployments", "excludes nothing"),
        ("maintenance, maintenance", "excludes nothing"),
        ("deployments 10", "is not an OpenSLO duration"),
        ("deployments 0m", "for 1m to 24h, not 0m"),
        ("deployments 2d", "for 1m to 24h, not 2d"),
    ],
)
def test_a_broken_exclusion_is_reported_at_its_line(text: str, message: str) -> None:
    whole = with_override(text, "exclude")
    (problem,) = catalogue(whole).problems
    assert message in problem.message
    assert problem.line == line_of(whole, "burnline/exclude")


SAMPLED = ratio(
    """{signal: judged, where: 'detector="pii",verdict="flagged"'}""",
    """{signal: judged, where: 'detector="pii"'}""",
    part="bad",
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("notify below 50%, ticket below 25%, freeze below 0%", (Fraction(1, 2), Fraction(1, 4), Fraction(0))),
        ("ticket below 12.5 %", (None, Fraction(1, 8), Fraction(0))),
        ("freeze below -20%,notify  below 0%", (Fraction(0), None, Fraction(-1, 5))),
    ],
)
def test_a_budget_policy_is_a_level_for_each_consequence(text: str, found: tuple[Fraction | None, ...]) -> None:
    policy = slo(with_override(text, "budget-policy")).budget_policy
    assert policy is not None
    assert (policy.notify, policy.ticket, policy.freeze) == found
    assert policy == BudgetPolicy(*found)  # type: ignore[arg-type] # the freeze is there


def test_without_the_annotation_there_is_no_policy() -> None:
    assert slo(slo_text(REQUESTS, "target: 0.999")).budget_policy is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no consequence: write consequences with a comma between them, as notify below 50%"),
        ("ticket", "'ticket' is no consequence: write"),
        ("ticket below 25", "'ticket below 25' is no consequence"),
        ("ticket below x%", "is no consequence"),
        ("ticket under 25%", "is no consequence"),
        ("page below 10%", "'page' is no consequence; write one of freeze, notify, ticket"),
        ("notfy below 10%", "did you mean 'notify'?"),
        ("ticket below 25%, ticket below 20%", "ticket stands twice: write each consequence once"),
        ("ticket below -5%", "ticket is possible below 0% to 95%, not -5%"),
        ("notify below 99%", "notify is possible below 0% to 95%, not 99%"),
        ("freeze below -1001%", "freeze is possible below -1000% to 95%"),
        ("ticket below 25%,", "'' is no consequence"),
    ],
)
def test_a_broken_budget_policy_is_reported_at_its_line(text: str, message: str) -> None:
    whole = with_override(text, "budget-policy")
    (problem,) = catalogue(whole).problems
    assert message in problem.message
    assert problem.line == line_of(whole, "burnline/budget-policy")


def test_a_sampled_slo_has_no_budget_policy() -> None:
    (problem,) = catalogue(with_override("ticket below 25%", "budget-policy", SAMPLED)).problems
    assert "a sampled SLO has no budget policy" in problem.message


def test_a_sampled_slo_excludes_nothing() -> None:
    (problem,) = catalogue(with_override("maintenance", "exclude", SAMPLED)).problems
    assert "a sampled SLO excludes nothing" in problem.message
