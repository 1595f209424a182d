"""A fleet that is read from a Prometheus server, judged: late by design is not blind, and an outage decides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collector.promql.world import START, Engine, Reader, Samples, Tsdb, every
from tests.slo_engine.world import World, spec

ERRORS = "vllm:request_success_total", (("finished_reason", "error"), ("model_name", "m"))
MINUTES = 85
FAILING_FROM, FAILING_UNTIL = 20, 40
DOWN = range(30, 55)
"""The server's outage: the engines stop failing within it, and nobody can know."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _samples() -> Samples:
    samples, engine, errors = Samples(), Engine("a:1", START - 9000), 0
    for time in every(15, START + 3, START + MINUTES * 60):
        failing = FAILING_FROM * 60 <= time - START < FAILING_UNTIL * 60
        engine.serve(100)
        errors += 50 if failing else 0
        samples.scrape(engine.target, time, {**engine.page(), ERRORS: float(errors)})
    return samples


def test_a_late_source_is_judged_and_its_outage_neither_fires_nor_resolves_for_want_of_data(world: World) -> None:
    world.clock.set(START + 60.0)
    api = Tsdb(_samples())
    reader = Reader(world.db, api, world.clock)
    engine = world.lead(spec())
    for minute in range(2, MINUTES):
        api.down = minute in DOWN
        reader.round(START + minute * 60.0 + 5)
        for seconds in (10, 40, 59):  # the engine judges between the readings, too
            world.clock.set(START + minute * 60.0 + seconds)
            engine.tick()
    told = [((one.at - START) // 60, one.transition, one.severity) for one in world.events("success")]
    fired = [minute for minute, transition, severity in told if (transition, severity) == ("firing", "page")]
    resolved = [minute for minute, transition, severity in told if (transition, severity) == ("resolved", "page")]
    assert len(fired) == 1 and FAILING_FROM <= fired[0] <= FAILING_FROM + 5
    assert resolved and min(resolved) >= DOWN.stop
    blind = [((one.at - START) // 60, one.transition) for one in world.events("collector blind")]
    assert [transition for _, transition in blind] == ["firing", "resolved"]
    assert DOWN.start + 1 <= blind[0][0] <= DOWN.start + 4  # a minute more than it promises to be late
    assert DOWN.stop <= blind[1][0] <= DOWN.stop + 1
    assert {one.slo for one in world.events()} == {"success", "collector blind"}
