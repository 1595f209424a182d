"""What rules are told of the ledger is what was counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.measures import Measure
from slo_engine.lint.facts import Histogram, Traffic
from slo_engine.lint.ledger import read_facts
from tests.slo_engine.world import GOOD_REQUESTS, START, World, source, spec

TTFT = f"{{thresholdMetric: {source('signal: ttft, by: [model]')}}}"
LLAMA, QWEN = (("model", "llama"),), (("model", "qwen"),)
GOOD = Measure("requests", "engine", (("outcome", "good"),))
BOUNDS = (0.1, 0.5)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.lead(spec(GOOD_REQUESTS, 99.0), spec(TTFT, 99.0, "fast", at_most=0.3))
    amounts = {
        (GOOD, LLAMA): 10,
        (GOOD, QWEN): 1,
        (Measure("ttft", "engine", (), BOUNDS), LLAMA): {0: 3, 1: 4, 2: 2},
        (Measure("ttft", "engine", (), (1.0,)), QWEN): {0: 1},
    }
    world.count(range(START, START + 7200, 60), amounts)
    world.tick(START + 7200)
    yield world
    world.db.dispose()


def test_traffic_is_by_group_and_a_window_has_its_share(world: World) -> None:
    facts = read_facts(world.db, world.slos, START + 7200.0)
    llama, qwen = facts.traffic["success"]
    assert llama == Traffic(LLAMA, 1200, 7200.0)
    assert qwen.within(3600) == 60


def test_histograms_are_by_their_bounds_with_every_cell(world: World) -> None:
    facts = read_facts(world.db, world.slos, START + 7200.0)
    assert set(facts.histograms["fast"]) == {Histogram(BOUNDS, (360, 480, 240)), Histogram((1.0,), (120, 0))}
    assert facts.histograms["success"] == ()


def test_an_hour_that_has_begun_counts_for_as_long_as_it_lasts(world: World) -> None:
    facts = read_facts(world.db, world.slos, START + 5400.0)
    assert facts.traffic["success"][0].seconds == 5400.0


def test_what_is_older_than_a_week_says_nothing(world: World) -> None:
    assert read_facts(world.db, world.slos, START + 30 * 86_400.0).unknown == "the ledger has no hour of the last week"
