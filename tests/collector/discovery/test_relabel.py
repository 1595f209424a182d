"""Relabelling by itself: the cases, what a rule may say, and what holds for any rules."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collector.discovery.port import Group
from collector.discovery.targets import made_of
from collector.exposition import PageReader
from collector.page_labels import NO_LIMITS, LabelLimits, PageLabels
from collector.relabel import compile_rules, may_change, relabel
from collector.settings import RelabelRule, ScrapeJob
from core.errors import ScrapeError
from core.labels import make
from tests.collector.discovery import made, oracle
from tests.collector.discovery.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_targets_are_what_the_case_says(case: Case) -> None:
    targets = oracle.ours(case.job("job"), [Group((one,), {}) for one in case.found])
    assert targets.active == case.expected()
    assert len(targets.dropped) == case.dropped


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"action": "fling"}, "action"),
    ({"action": "replace"}, "needs target_label"),
    ({"action": "hashmod", "target_label": "x"}, "needs a modulus"),
    ({"action": "hashmod", "modulus": 2}, "needs target_label"),
    ({"action": "hashmod", "modulus": 2, "target_label": "$1"}, "no label name"),
    ({"action": "replace", "target_label": "a-b"}, "no label name"),
    ({"action": "replace", "target_label": "1a"}, "no label name"),
    ({"action": "replace", "target_label": "${1"}, "no label name"),
    ({"action": "lowercase", "target_label": "x", "replacement": "y"}, "takes no replacement"),
    ({"action": "uppercase"}, "needs target_label"),
    ({"action": "labelmap", "replacement": "a-b"}, "no label name"),
    ({"action": "labeldrop", "regex": "x", "source_labels": ["y"]}, "takes only regex"),
    ({"action": "labelkeep", "regex": "x", "target_label": "y"}, "takes only regex"),
    ({"action": "keepequal", "source_labels": ["x"], "target_label": "y", "regex": "z"}, "takes only"),
    ({"action": "dropequal", "source_labels": ["x"]}, "needs target_label"),
    ({"action": "keep", "regex": "("}, "RE2"),
    ({"action": "keep", "source_labels": ["a-b"]}, "no label name"),
    ({"action": "keep", "regexp": "x"}, "extra"),
]
ACCEPTED: list[dict[str, Any]] = [
    {"target_label": "x"},
    {"target_label": "x_${1}_y$2"},
    {"target_label": "$1$2"},
    {"action": "KEEP", "regex": True, "source_labels": ["x"]},
    {"action": "labeldrop", "separator": ";"},
    {"action": "labelmap"},
    {"action": "dropequal", "source_labels": ["x"], "target_label": "y"},
    {"action": "lowercase", "source_labels": ["x"], "target_label": "$1"},
]


@pytest.mark.parametrize(("rule", "reason"), REFUSED, ids=str)
def test_rules_that_prometheus_refuses_are_refused(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        RelabelRule.model_validate(rule)


@pytest.mark.parametrize("rule", ACCEPTED, ids=str)
def test_rules_that_prometheus_takes_are_taken(rule: dict[str, Any]) -> None:
    RelabelRule.model_validate(rule)


@pytest.mark.server("promtool")
@pytest.mark.parametrize(("rule", "refused"), [*((r, True) for r, _ in REFUSED), *((r, False) for r in ACCEPTED)])
def test_promtool_says_the_same_of_them(rule: dict[str, Any], refused: bool, tmp_path: Path) -> None:
    import json

    file = tmp_path / "p.json"
    file.write_text(json.dumps({"scrape_configs": [{"job_name": "j", "relabel_configs": [rule]}]}))
    answer = subprocess.run(["promtool", "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert (answer.returncode != 0) == refused, answer.stderr


@given(st.randoms(use_true_random=False))
def test_a_label_that_no_rule_may_change_is_as_it_was(random: Random) -> None:
    rules = compile_rules(tuple(RelabelRule(**made.rule(random)) for _ in range(random.randint(1, 4))))
    before = {name: value for name, value in made.labels(random, 1).items() if value}
    after = relabel(before, rules)
    fixed = [name for name in made.NAMES if not may_change(rules, name)]
    assert after is None or [after.get(name) for name in fixed] == [before.get(name) for name in fixed]


@given(st.text(max_size=8), st.text(max_size=8))
def test_texts_of_any_kind_are_relabelled(value: str, other: str) -> None:
    rules = compile_rules(
        (
            RelabelRule(source_labels=("x", "y"), target_label="z"),
            RelabelRule(source_labels=("x",), target_label="up", action="uppercase"),
            RelabelRule(source_labels=("x",), target_label="hash", action="hashmod", modulus=3),
        )
    )
    after = relabel({"x": value, "y": other}, rules)
    assert after is not None
    assert after["z"] == f"{value};{other}"
    assert len(after.get("up", "")) == len(value)
    assert after["hash"] in ("0", "1", "2")


def test_a_refused_target_says_why() -> None:
    group = Group(({"__address__": "a:1"}, {"__address__": "b:1"}, {"__address__": "c:1"}), {})
    rules = compile_rules(
        (
            RelabelRule(
                source_labels=("__address__",), regex="a.*", target_label="__scrape_interval__", replacement="1m"
            ),
            RelabelRule(source_labels=("__address__",), regex="b.*", target_label="__address__", replacement="b/x:1"),
        )
    )
    found = made_of(ScrapeJob(name="j"), rules, group)
    assert [target.url for target in found.targets] == ["http://c:1/metrics"]
    assert found.refused == (
        "a:1: the scrape interval (60s) is over 30s",
        "b:1: 'b/x:1' is no host and port",
    )


# Series of a page.

PAGE = b'a{x="1"} 1\na{x="2"} 2\nb{zone="own",x="3"} 3\n'
TARGET = make({"job": "j", "instance": "i", "zone": "eu"})


def names(*rules: dict[str, Any], limits: LabelLimits = NO_LIMITS) -> PageLabels:
    return PageLabels(compile_rules(tuple(RelabelRule(**rule) for rule in rules)), limits, TARGET)


def test_a_page_of_the_same_series_keeps_list_and_objects() -> None:
    reader, named = PageReader(), names({"source_labels": ("x",), "regex": "2", "action": "drop"})
    first = named.page(reader.read(PAGE, "text/plain"))
    second = named.page(reader.read(PAGE.replace(b"} 3", b"} 4"), "text/plain"))
    assert second.series is first.series
    assert second.values == [1, 4]


def test_a_page_with_other_series_keeps_the_objects_of_those_that_stay() -> None:
    reader, named = PageReader(), names({"source_labels": ("x",), "target_label": "y"})
    first = named.page(reader.read(PAGE, "text/plain"))
    second = named.page(reader.read(b'c{x="9"} 9\n' + PAGE, "text/plain"))
    assert second.series[1:] == first.series
    assert all(one is other for one, other in zip(second.series[1:], first.series, strict=True))
    assert second.values == [9, 1, 2, 3]


def test_series_that_end_alike_are_one_and_the_others_repeat_it() -> None:
    page = names({"regex": "x", "action": "labeldrop"}).page(PageReader().read(PAGE, "text/plain"))
    assert [(one.name, one.labels) for one in page.series] == [("a", ()), ("b", (("zone", "own"),))]
    assert page.values == [1, 3]
    assert page.duplicates == 1


def test_timestamps_go_with_their_samples() -> None:
    page = names({"source_labels": ("x",), "regex": "1", "action": "drop"}).page(
        PageReader().read(b'a{x="1"} 1 1000\na{x="2"} 2 2000\n', "text/plain")
    )
    assert (page.values, page.timestamps) == ([2.0], [2000])


def test_labels_of_the_target_that_rules_change_are_told_with_each_series() -> None:
    named = names({"source_labels": ("x",), "regex": "1", "target_label": "zone", "replacement": "us"})
    page = named.page(PageReader().read(PAGE, "text/plain"))
    assert dict(named.fixed) == {"job": "j", "instance": "i"}
    assert [dict(one.labels).get("zone") for one in page.series] == ["us", "eu", "eu"]
    assert dict(page.series[2].labels)["exported_zone"] == "own"


def test_without_rules_and_limits_a_page_is_not_looked_at() -> None:
    reading = PageReader().read(PAGE, "text/plain")
    assert names().page(reading) is reading
    assert names().fixed == TARGET


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (LabelLimits(labels=4), "label_limit"),
        (LabelLimits(name_length=7), "label_name_length_limit"),
        (LabelLimits(value_length=2), "label_value_length_limit"),
        (LabelLimits(labels=6, name_length=13, value_length=3), None),
    ],
)
def test_a_series_over_a_limit_refuses_the_page(limits: LabelLimits, reason: str | None) -> None:
    named, reading = names(limits=limits), PageReader().read(PAGE, "text/plain")
    if reason is None:
        assert named.page(reading) is reading
        return
    for _ in range(2):  # also where the series are known by now
        with pytest.raises(ScrapeError) as refused:
            named.page(reading)
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    "rule",
    [
        {"regex": "__name__", "action": "labeldrop"},
        {"target_label": "__name__", "replacement": "a-b"},
        {"source_labels": ("x",), "target_label": "y$1", "action": "lowercase"},
    ],
    ids=str,
)
def test_rules_that_leave_no_series_refuse_the_page(rule: dict[str, Any]) -> None:
    with pytest.raises(ScrapeError, match="valid names"):
        names(rule).page(PageReader().read(PAGE, "text/plain"))
