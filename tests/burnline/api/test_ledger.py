"""Questions to the ledger: they agree with what the engine says, and refuse what would be too much."""

from __future__ import annotations

from typing import Any

import pytest

from burnline.api.app import create_app
from burnline.api.counting import MOST_ROWS, answer, question
from core.clock import ManualClock
from core.errors import ConfigError
from core.measures import Measure
from storage.database import Database
from tests.burnline.api.asking import Client
from tests.slo_engine.world import GOOD_REQUESTS, START, World, source, spec

LEDGER = "/api/v1/ledger"
TTFT = f"{{thresholdMetric: {source('signal: ttft, by: [model]')}}}"
BOUNDS = (0.1, 0.5, 1.0)


def requests(outcome: str, layer: str = "engine") -> Measure:
    return Measure("requests", layer, (("outcome", outcome),))


@pytest.fixture
def world(tmp_path: Any) -> World:
    """An hour of a fleet: two versions, a gateway before the engines, clients that abort."""
    world = World(tmp_path)
    world.lead(spec(GOOD_REQUESTS, 99.0), spec(TTFT, 99.0, "fast", at_most=0.5))
    hour = range(START, START + 3600, 60)
    for version, bad in (("v1", 1), ("v2", 4)):
        group = (("model", "llama"), ("version", version))
        outer = {(requests(o, "gateway"), group): n for o, n in (("good", 90), ("bad", bad), ("excluded", 7))}
        inner = {(requests("good"), group): 95, (Measure("ttft", "engine", (), BOUNDS), group): {0: 50, 1: 9, 3: bad}}
        world.count(hour, outer | inner, source_name=version)
    world.tick(START + 3600)
    return world


def ask(world: World, **query: str | int) -> dict[str, Any]:
    app = create_app(world.db, clock=ManualClock(START + 3600.0))
    found = Client(app).get(LEDGER, params={"from": START, "to": START + 3600, **query})
    assert found.status_code == 200, found.text
    return found.json()


def test_it_agrees_with_slo_status_in_the_layer_that_the_engine_counts(world: World) -> None:
    status = world.status()
    asked = ask(world, signal="requests", by="model,outcome", step=3600)
    counts = {row["group"]["outcome"]: row["count"] for row in asked["rows"]}
    assert asked["layer"] == "gateway"
    assert (status["good"], status["total"]) == (counts["good"], counts["good"] + counts["bad"]) == (10_800, 11_100)
    assert counts["excluded"] == 840
    (together,) = ask(world, signal="requests", step=3600)["rows"]
    assert together["count"] == status["total"]


def test_every_width_counts_the_same(world: World) -> None:
    totals = {
        step: sum(r["count"] for r in ask(world, signal="requests", step=step)["rows"]) for step in (60, 300, 3600)
    }
    assert set(totals.values()) == {11_100}


def test_cells_give_what_slo_status_counts_below_a_threshold(world: World) -> None:
    status = world.status("fast")
    (row,) = ask(world, signal="ttft", by="model", step=3600)["rows"]
    assert row["bounds"] == list(BOUNDS)
    assert (sum(row["cells"][:2]), row["count"]) == (status["good"], status["total"])


def test_a_group_a_where_and_another_layer(world: World) -> None:
    asked = ask(world, signal="requests", where='version="v2",outcome="bad"', by="version", step=3600)
    assert [(row["group"], row["count"]) for row in asked["rows"]] == [({"version": "v2"}, 240)]
    assert sum(row["count"] for row in ask(world, signal="requests", layer="engine")["rows"]) == 95 * 2 * 60


def test_rows_are_by_time_and_buckets_say_where_they_begin(world: World) -> None:
    rows = ask(world, signal="requests", to=START + 180)["rows"]
    assert [row["bucket"] for row in rows] == [f"2026-01-05T00:0{n}:00.000Z" for n in range(3)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"signal": "tfft"}, "did you mean 'ttft'"),
        ({"signal": "requests", "where": "version"}, "version"),
        ({"signal": "requests", "where": 'a=~"("'}, "RE2"),
        ({"signal": "requests", "from": "1790000000", "to": "1789999000"}, "after"),
        ({"signal": "requests", "from": "1"}, "2000 buckets"),
        ({"signal": "requests", "from": "1000", "to": "2000"}, "kept for 2d"),
        ({"signal": "requests", "from": "99999999999999"}, "no time"),
        ({"signal": "requests", "to": "9999-12-31T23:59:59-14:00"}, "no time"),
        ({"signal": "requests", "from": "0001-01-01T00:00:00Z"}, "no time"),
        ({"signal": "requests", "from": "nan"}, "no time"),
        ({"signal": "requests", "from": "2026-01-01T00:00:00"}, "time zone"),
    ],
)
def test_a_question_that_cannot_be_is_400_with_the_reason(
    database: Database, clock: ManualClock, query: dict[str, str], said: str
) -> None:
    answered = Client(create_app(database, clock=clock)).get(LEDGER, params=query)
    assert (answered.status_code, said in answered.json()["error"]) == (400, True), answered.text


def test_more_rows_than_the_limit_are_refused_with_how_to_narrow(world: World) -> None:
    asked = question("requests", "", "version", START, START + 3600, 60, None, START + 3600)
    assert len(answer(world.db, asked, most=120).lines) == 120 <= MOST_ROWS
    with pytest.raises(ConfigError, match="larger step"):
        answer(world.db, asked, most=119)


def test_a_signal_that_was_never_counted_has_no_rows_and_no_layer(database: Database, clock: ManualClock) -> None:
    answered = Client(create_app(database, clock=clock)).get(LEDGER, params={"signal": "gpu_time"}).json()
    assert (answered["rows"], answered["layer"], answered["unit"]) == ([], None, "gpu-milliseconds")
