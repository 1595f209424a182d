"""alertPolicies: which conditions have an effect, and what is noted of those that have none."""

from __future__ import annotations

from fractions import Fraction

import pytest

from slo_engine.specs.model import AlertCondition
from tests.slo_engine.specs.test_reading import LTE, slo, slo_text, threshold


def with_policy(
    condition: str = "op: gt, threshold: 2, lookbackWindow: 1h",
    severity: str = "page",
    when: str = "",
    objective: str = LTE,
    sli: str = "",
) -> str:
    policy = f"""\
  alertPolicies:
    - kind: AlertPolicy
      metadata: {{name: p}}
      spec:
        {when}
        conditions:
          - kind: AlertCondition
            metadata: {{name: c}}
            spec:
              severity: {severity}
              condition: {{kind: burnrate, {condition}}}
        notificationTargets:
          - kind: AlertNotificationTarget
            metadata: {{name: t}}
            spec: {{target: x}}
"""
    return slo_text(sli or threshold("{signal: ttft}"), objective) + policy


def test_an_alert_policy_is_a_condition_of_its_own() -> None:
    one = slo(with_policy("op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m", "Critical"))
    assert one.conditions == (
        AlertCondition("p", "page", Fraction(72, 5), True, 3600, 300, breaching=True, no_data=False),  # inclusive
    )
    assert one.notes == ()


def test_a_policy_behind_references_is_the_same() -> None:
    inline = with_policy("op: gt, threshold: 2, lookbackWindow: 1h", "warning")
    start = inline.index("  alertPolicies:")
    text = (
        inline[:start]
        + """\
  alertPolicies: [{alertPolicyRef: p}]
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: p}
spec:
  conditions: [{conditionRef: c}]
  notificationTargets: [{targetRef: t}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: c}
spec:
  severity: warning
  condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: t}
spec: {target: x}
"""
    )
    assert slo(text).conditions == slo(inline).conditions != ()


@pytest.mark.parametrize(
    ("condition", "severity", "when", "note", "left"),
    [
        ("op: lte, threshold: 2, lookbackWindow: 1h", "page", "", "op lte asks for a budget that burns slowly", 0),
        ("op: gt, threshold: 0, lookbackWindow: 1h", "page", "", "threshold must be above 0", 0),
        ("op: gt, threshold: 2, lookbackWindow: 0m", "page", "", "lookbackWindow must be from 1m to 400d", 0),
        ("op: gt, threshold: 2, lookbackWindow: 1h", "page", "alertWhenBreaching: false", "is not true", 0),
        ("op: gt, threshold: 2, lookbackWindow: 1h", "page", "alertWhenNoData: true", "is not true", 1),
        ("op: gt, threshold: 2, lookbackWindow: 1h", "loud", "", "'loud' is taken for a ticket", 1),
        ("op: gt, threshold: 100, lookbackWindow: 1h", "page", "", "a burn rate is at most 100", 1),
    ],
)
def test_a_policy_that_has_no_effect_or_another_is_noted(
    condition: str, severity: str, when: str, note: str, left: int
) -> None:
    one = slo(with_policy(condition, severity, when))
    assert note in one.notes[0]
    assert len(one.conditions) == left


def test_a_factor_that_can_just_be_reached_is_alive() -> None:
    assert slo(with_policy("op: gte, threshold: 100, lookbackWindow: 1h")).notes == ()
