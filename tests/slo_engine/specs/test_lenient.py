"""What only OpenSLO's text and its old schema allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.yaml import load_text
from slo_engine.specs.openslo import SpecSet, read_set
from slo_engine.specs.validate import examine

SHARED = Path(__file__).parents[4] / "shared" / "data" / "slo-specs" / "openslo-v1"

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: web}
spec:
  service: shop
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: web}
    spec:
      ratioMetric:
        good: {metricSource: {type: burnline, spec: {selector: g}}}
        total: {metricSource: {type: burnline, spec: {selector: t}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives:
    - target: 0.99
"""
SLI = """\
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: shared}
spec:
  ratioMetric:
    good: {metricSource: {type: burnline, spec: {selector: g}}}
    total: {metricSource: {type: burnline, spec: {selector: t}}}
"""
CONDITION = """\
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec: {severity: page, condition: {op: gt, threshold: 2, lookbackWindow: 1h}}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: pager}
spec: {target: pagerduty}
"""
SOUND = CONDITION.replace("{op", "{kind: burnrate, op")
POLICY = """\
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: wake}
spec:
  conditions: [{conditionRef: fast}]
  notificationTargets: [{targetRef: pager}]
"""
BY_REF = SLO.replace(SLO[SLO.index("  indicator:") : SLO.index("  timeWindow")], "  indicatorRef: shared\n")


def _read(text: str, *, lenient: bool) -> SpecSet:
    return read_set(load_text(text, "a.yaml"), [], lenient=lenient)


CASES = {
    "no time window": (SLO.replace("  timeWindow: [{duration: 30d, isRolling: true}]\n", ""), 4, "28d, rolling"),
    "an empty list of windows": (SLO.replace("[{duration: 30d, isRolling: true}]", "[]"), 4, "28d, rolling"),
    "op on an inline ratio": (SLO + "      op: gt\n", 16, "is left out"),
    "op and value behind a reference": (BY_REF + "      op: gt\n" + SLI, 11, "is left out"),
    "a number of minutes": (
        SLO.replace("Occurrences", "Timeslices") + "      timeSliceTarget: 0.9\n      timeSliceWindow: 5\n",
        17,
        "5 is read as 5m",
    ),
    "policies by name": (SLO + "  alertPolicies: [wake]\n" + POLICY + SOUND, 16, "name of an AlertPolicy"),
    "a condition without a kind": (CONDITION, 5, "burnrate is taken"),
}


@pytest.mark.parametrize(("text", "line", "message"), CASES.values(), ids=CASES)
def test_it_is_refused_by_default_and_noted_when_lenient(text: str, line: int, message: str) -> None:
    assert _read(text, lenient=False).catalogue.problems
    found = _read(text, lenient=True)
    assert found.catalogue.problems == ()
    (note,) = found.remarks
    assert (note.kind, note.file, note.line) == ("lenient", "a.yaml", line)
    assert message in note.message


def test_the_note_stands_on_the_slo_that_it_is_about_and_on_no_other() -> None:
    other = SLO.replace("name: web", "name: other")
    found = _read(SLO + "      op: gt\n---\n" + other, lenient=True)
    notes = {slo.name: slo.notes for slo in found.catalogue.slos}
    assert notes == {"other": (), "web": ("spec.objectives[0].op: is left out: a ratio compares nothing",)}


@pytest.mark.parametrize("text", [SLO, BY_REF + SLI, SLO + POLICY + SOUND])
def test_what_is_right_is_read_alike(text: str) -> None:
    strict, lenient = _read(text, lenient=False), _read(text, lenient=True)
    assert strict.catalogue == lenient.catalogue
    assert lenient.remarks == ()


NONSENSE = (
    "[1, 2]",
    "a",
    "apiVersion: openslo/v1\nkind: SLO\nspec: 3",
    "apiVersion: openslo/v1\nkind: SLO\nspec: {objectives: [1, {timeSliceWindow: true}]}",
    "apiVersion: openslo/v1\nkind: AlertPolicy\nspec: {conditions: [a, {spec: 3}]}",
)


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_stays_wrong_and_breaks_nothing(text: str) -> None:
    assert _read(text, lenient=True).catalogue.problems


def test_documents_of_others_are_left_as_they_are() -> None:
    document = load_text(SLO + "      op: gt\n", "a.yaml")
    read_set(document, [], lenient=True)
    assert document == load_text(SLO + "      op: gt\n", "a.yaml")


SHIPPED = (
    "spec-example-timeslices-slo",
    "sdk-example-slos",
    "sdk-decode-slo-no-timewindow",
    "slogen-slo-rolling-with-calendar",
)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the real spec files beside the checkout")
@pytest.mark.parametrize("name", SHIPPED)
def test_the_examples_that_openslo_ships_itself_are_read_leniently(name: str) -> None:
    found = examine([SHARED / f"{name}.yaml"], lenient=True)
    assert found.notes
    assert bool(found.problems) == name.startswith("slogen")  # its calendar and its name stay wrong
