"""What the burnline/ annotations say of groups and of time that does not count."""

from __future__ import annotations

from fractions import Fraction

import pytest

from slo_engine.specs.model import Exclude
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


def test_a_sampled_slo_excludes_nothing() -> None:
    sampled = ratio(
        """{signal: judged, where: 'detector="pii",verdict="flagged"'}""",
        """{signal: judged, where: 'detector="pii"'}""",
        part="bad",
    )
    (problem,) = catalogue(with_override("maintenance", "exclude", sampled)).problems
    assert "a sampled SLO excludes nothing" in problem.message
