"""What an SLI counted bucket by bucket: together it is what the engine says of the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigError
from core.measures import Measure
from slo_engine.history import MOST_BUCKETS, history, width_for
from tests.slo_engine.world import GOOD_REQUESTS, START, World, ratio, source, spec

TTFT = f"{{thresholdMetric: {source('signal: ttft, by: [model]')}}}"
LLAMA, QWEN = (("model", "llama"),), (("model", "qwen"),)


def requests(outcome: str) -> Measure:
    return Measure("requests", "engine", (("outcome", outcome),))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An hour of two models; one of them is not scraped for its second half."""
    world = World(tmp_path)
    bad = ratio("signal: requests, where: 'outcome=\"bad\"', by: [model]", "signal: requests, by: [model]", "bad")
    world.lead(spec(GOOD_REQUESTS, 99.0), spec(bad, 99.0, "failures"), spec(TTFT, 99.0, "fast", at_most=0.5, op="lte"))
    bounds = (0.1, 0.5, 1.0)
    hour = range(START, START + 3600, 60)
    amounts = {
        (requests("good"), LLAMA): 9,
        (requests("bad"), LLAMA): 1,
        (requests("excluded"), LLAMA): 5,
        (Measure("ttft", "engine", (), bounds), LLAMA): {0: 3, 1: 4, 3: 2},
    }
    world.count(hour, amounts, "one")
    world.count(hour[:30], {(requests("good"), QWEN): 2}, "two")
    world.count(hour[30:], {(requests("good"), QWEN): 0}, "two", coverage=0.0)
    world.tick(START + 3600)
    return world


@pytest.mark.parametrize("slo", ["success", "failures", "fast"])
@pytest.mark.parametrize("width", [60, 300, 3600])
def test_its_buckets_add_up_to_what_slo_status_says(world: World, slo: str, width: int) -> None:
    (one,) = (each for each in world.slos if each.name == slo)
    found = history(world.db, one, START, START + 3600, width, {"model": "llama"})
    status = world.status(slo, model="llama")
    assert len(found) == 3600 // width
    assert (sum(b.good or 0 for b in found), sum(b.total for b in found)) == (status["good"], status["total"])
    assert {b.coverage for b in found} == {1.0}


def test_time_that_was_not_watched_has_a_row_without_coverage(world: World) -> None:
    found = history(world.db, world.slos[0], START, START + 3600, 60, {"model": "qwen"})
    assert [(b.good, b.total, b.coverage) for b in found] == [(2, 2, 1.0)] * 30 + [(0, 0, 0.0)] * 30


def test_every_group_comes_with_its_buckets_in_order(world: World) -> None:
    found = history(world.db, world.slos[0], START + 90, START + 200, 60, {})
    assert [(dict(b.group)["model"], b.bucket - START) for b in found] == [
        (model, minute) for model in ("llama", "qwen") for minute in (60, 120, 180)
    ]


def test_a_question_that_cannot_be_answered_says_why(world: World) -> None:
    with pytest.raises(ConfigError, match="must be after"):
        history(world.db, world.slos[0], START + 60, START, 60, {})
    with pytest.raises(ConfigError, match="larger --step"):
        history(world.db, world.slos[0], START, START + 60 * (MOST_BUCKETS + 1), 60, {})


def test_buckets_are_as_narrow_as_they_are_kept() -> None:
    assert [width_for(START, START + days * 86_400.0) for days in (1, 3, 30)] == [60, 300, 3600]
