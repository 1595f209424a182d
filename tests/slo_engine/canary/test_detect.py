"""Which version is a canary: decisions over what has been seen, without a database."""

from __future__ import annotations

import re

import pytest

from slo_engine.canary.detect import GONE_AFTER, Serving, Sightings, Start, canary_id, over, start_of_canary
from storage.canaries import Canary
from storage.deployments import Deployment
from storage.ledger.rows import RowKey

NOW = 1_000_000.0
DAY = 86_400.0
EU, US, BOTH = frozenset({"eu"}), frozenset({"us"}), frozenset({"eu", "us"})
OLD = Serving("v1", NOW - 30 * DAY, BOTH, 9000)
NEW = Serving("v2", NOW - 60, EU, 50)


def known(version: str, started_at: float, *, baseline: str = "v1", ended_at: float | None = None) -> Canary:
    return Canary("id", "m", None, version, baseline, started_at, ended_at, None, None, "pass", NOW, {})


def deployment(version: str, at: float, *, model: str | None = "m", region: str | None = None) -> Deployment:
    return Deployment(7, at, model, version, region, None, "", "ci", at)


def found(
    *serving: Serving, canaries: tuple[Canary, ...] = (), deployments: tuple[Deployment, ...] = ()
) -> Start | None:
    return start_of_canary("m", serving, canaries, deployments, NOW, DAY)


def test_the_version_that_was_seen_last_is_the_canary() -> None:
    assert found(OLD, NEW) == Start("v2", "v1", None, NOW - 60, None)


@pytest.mark.parametrize(
    "serving",
    [
        (),
        (OLD,),
        (OLD, NEW._replace(first_seen=NOW - 2 * DAY)),
        (OLD._replace(regions=US), NEW),
    ],
    ids=["nobody", "alone", "not new any more", "in another region"],
)
def test_without_something_new_beside_something_old_there_is_none(serving: tuple[Serving, ...]) -> None:
    assert found(*serving) is None


def test_the_baseline_is_the_busiest_version_where_both_serve() -> None:
    elsewhere = Serving("v0", NOW - 40 * DAY, US, 99_999)
    assert found(OLD, elsewhere, NEW) == Start("v2", "v1", None, NOW - 60, None)


def test_of_versions_that_came_together_the_smaller_is_the_canary_and_some_traffic_must_tell() -> None:
    together = OLD._replace(first_seen=NOW - 120)
    assert found(together, NEW) == Start("v2", "v1", None, NOW - 60, None)
    assert found(together._replace(requests=10), NEW._replace(requests=5)) is None


@pytest.mark.parametrize("ended_at", [None, NOW - 10])
def test_an_arrival_has_one_canary_even_when_late_counts_move_its_first_sight(ended_at: float | None) -> None:
    assert found(OLD, NEW, canaries=(known("v2", NOW - 30, ended_at=ended_at),)) is None


def test_a_pair_that_came_together_is_decided_once() -> None:
    together = OLD._replace(first_seen=NOW - 120, requests=10)
    assert found(together, NEW, canaries=(known("v2", NOW - 60),)) is None


def test_a_third_version_is_a_canary_of_its_own() -> None:
    third = Serving("v3", NOW, EU, 0)
    assert found(OLD, NEW, third, canaries=(known("v2", NOW - 60),)) == Start("v3", "v1", None, NOW, None)


def test_a_registered_deployment_wins_over_what_is_new() -> None:
    start = found(OLD, NEW, deployments=(deployment("v1", NOW - 10, region="eu"),))
    assert start == Start("v1", "v2", "eu", NOW - 10, 7)


def test_it_may_be_registered_before_it_serves() -> None:
    assert found(OLD, deployments=(deployment("v2", NOW),)) == Start("v2", "v1", None, NOW, 7)
    assert found(OLD, deployments=(deployment("v2", NOW, model=None),)) is None


@pytest.mark.parametrize("at", [NOW + 60, NOW - 2 * DAY], ids=["not yet", "long ago"])
def test_a_deployment_of_another_time_begins_nothing(at: float) -> None:
    assert found(OLD, deployments=(deployment("v2", at),)) is None


def test_a_step_or_the_way_back_of_a_running_canary_begins_nothing() -> None:
    running = known("v2", NOW - 100)
    for version in ("v1", "v2"):
        assert found(OLD, NEW, canaries=(running,), deployments=(deployment(version, NOW - 10),)) is None


@pytest.mark.parametrize(
    ("age", "present", "why"),
    [
        (GONE_AFTER, ("v1", "v2"), None),
        (GONE_AFTER - 60, ("v1",), None),
        (GONE_AFTER, ("v1",), "v2 left"),
        (GONE_AFTER, ("v2",), "v1 left"),
        (GONE_AFTER, (), "v2 and v1 left"),
        (DAY, ("v1", "v2"), "it ran for the longest time that is set"),
    ],
)
def test_when_it_is_over(age: float, present: tuple[str, ...], why: str | None) -> None:
    assert over(known("v2", NOW - age), dict.fromkeys(present, True), NOW, DAY) == why


def test_a_first_sight_is_told_to_the_minute_where_the_ledger_still_has_minutes() -> None:
    seen = Sightings()
    assert seen.first("m", "v2") is None
    for key in (RowKey(3600, 7200), RowKey(300, 8100), RowKey(60, 8280), RowKey(60, 8220)):
        seen.note("m", "v2", key)
    assert seen.first("m", "v2") == 8220
    seen.note("m", "v2", RowKey(3600, 3600))
    assert seen.first("m", "v2") == 3600
    assert seen.first("m", "v1") is None


def test_an_id_is_safe_in_a_url_and_names_stay_apart() -> None:
    assert canary_id("llama", "v2", 1767571200.5) == "llama:v2:1767571200"
    slashed = canary_id("meta/llama 3", "v2", 1.0)
    assert re.fullmatch(r"[A-Za-z0-9._~:-]+", slashed)
    assert slashed != canary_id("meta-llama-3", "v2", 1.0)
