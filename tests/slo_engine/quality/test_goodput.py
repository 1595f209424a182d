"""Goodput is an ordinary counter, counted where applications tell of their calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.measures import Measure
from slo_engine.packs import load_pack
from tests.slo_engine.world import START, World, ratio, spec

HOUR = 3600
M = (("model", "m"),)
GOODPUT = ratio("signal: goodput, where: 'outcome=\"good\"', by: [model]", "signal: goodput, by: [model]")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.db.dispose()


def calls(good: int, bad: int, excluded: int = 0) -> dict[tuple[Measure, tuple[tuple[str, str], ...]], int]:
    found = {("good", "met"): good, ("bad", "ttft"): bad, ("excluded", "not_measured"): excluded}
    return {
        (Measure("goodput", "client", (("outcome", outcome), ("reason", reason))), M): n
        for (outcome, reason), n in found.items()
        if n
    }


def test_it_is_judged_by_the_target_time_of_its_own_layer(world: World) -> None:
    world.lead(spec(GOODPUT, 99, "goodput", page="false"))
    world.count(range(START, START + HOUR, 60), calls(9, 1, 5), "otlp:0")
    world.count(range(START, START + HOUR, 60), {}, "engine", coverage=0.1)
    world.tick(START + HOUR)
    row = world.status("goodput", model="m")
    assert (row["good"], row["total"], row["coverage"]) == (540, 600, 1.0)


def test_it_burns_into_a_ticket_and_no_page(world: World) -> None:
    world.slos = tuple(slo for slo in load_pack("llm-serving").slos if slo.name == "goodput")
    world.lead()
    world.count(range(START, START + 4 * HOUR, 60), calls(5, 5), "otlp:0")
    world.tick(START + 4 * HOUR)
    assert world.told("goodput") == ["4:00 firing ticket goodput{model=m}"]
    world.count(range(START + 4 * HOUR, START + 12 * HOUR, 60), calls(10, 0), "otlp:0")
    for minute in range(4 * HOUR, 12 * HOUR, 1800):
        world.tick(START + minute)
    assert world.told("goodput")[-1].endswith("resolved ticket goodput{model=m}")


def test_without_a_verdict_on_any_call_it_is_idle(world: World) -> None:
    world.lead(spec(GOODPUT, 99, "goodput", page="false"))
    world.count(range(START, START + HOUR, 60), calls(0, 0, excluded=5), "otlp:0")
    world.tick(START + HOUR)
    row = world.status("goodput", model="m")
    assert (row["sli"], row["total"]) == (None, None)
    assert row["reason"] == "idle: covered, and no events"


def test_without_traces_it_says_that_none_are_sent(world: World) -> None:
    world.slos = tuple(slo for slo in load_pack("llm-serving").slos if slo.name == "goodput")
    world.lead()
    world.tick(START + HOUR)
    row = world.status("goodput")
    assert row["reason"] == "not measured: no application sends traces"
    assert (row["sli"], row["total"]) == (None, None)
