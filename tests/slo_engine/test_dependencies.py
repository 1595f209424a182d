"""SLOs that need others say how these stand, and which of them burn too."""

from __future__ import annotations

from core.measures import Measure
from tests.slo_engine.world import START, World, ratio, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
HOUR = 3600
BY_REGION = ratio(
    "signal: requests, where: 'outcome=\"good\"', by: [model, region]", "signal: requests, by: [model, region]"
)
NEEDS = ', burnline/depends-on: "engine"'


def traffic(world: World, model: str, region: str, bad: int) -> None:
    group = (("model", model), ("region", region))
    world.count(range(START, START + HOUR, 60), {(GOOD, group): 1000 - bad, (BAD, group): bad}, f"{group}")


def judged(world: World, needs: str = NEEDS) -> None:
    world.lead(spec(BY_REGION, target=99, name="chat", extra=needs), spec(target=99, name="engine"))
    world.tick(START + HOUR)


def test_a_dependency_of_the_same_model_that_burns_is_told(world: World) -> None:
    traffic(world, "m", "eu", 900)
    traffic(world, "n", "eu", 0)
    judged(world)
    assert world.status("chat", model="m", region="eu")["depends_on"] == [{"slo": "engine", "state": "firing"}]
    assert world.status("chat", model="n", region="eu")["depends_on"] == [{"slo": "engine", "state": "ok"}]
    event = next(one for one in world.events("chat") if one.severity == "page")
    assert event.annotations["description"].startswith("Its dependency engine burns too. ")
    assert event.evidence["depends_on"] == [{"slo": "engine", "state": "firing"}]


def test_a_dependency_that_does_not_burn_is_not_blamed(world: World) -> None:
    traffic(world, "m", "eu", 900)
    traffic(world, "m", "us", 0)
    world.lead(
        spec(target=99, name="chat", extra=NEEDS), spec(BY_REGION.replace("model, region", "region"), 1, name="engine")
    )
    world.tick(START + HOUR)
    event = next(one for one in world.events("chat") if one.severity == "page")
    assert event.evidence["depends_on"] == [{"slo": "engine", "state": "ok"}]
    assert "dependency" not in event.annotations["description"]


def test_a_dependency_that_is_not_in_force_is_unknown(world: World) -> None:
    traffic(world, "m", "eu", 0)
    judged(world, ', burnline/depends-on: "gone"')
    assert world.status("chat")["depends_on"] == [{"slo": "gone", "state": None}]


def test_a_dependency_of_which_nothing_is_known_is_not_called_well(world: World) -> None:
    traffic(world, "m", "eu", 0)
    nothing = ratio("signal: retries, by: [model]", "signal: requests, by: [model]", "bad")
    world.lead(spec(BY_REGION, target=99, name="chat", extra=NEEDS), spec(nothing, target=99, name="engine"))
    world.tick(START + HOUR)
    assert world.status("chat", model="m", region="eu")["depends_on"] == [{"slo": "engine", "state": "no_data"}]


def test_an_slo_that_needs_none_says_nothing_of_it(world: World) -> None:
    traffic(world, "m", "eu", 0)
    judged(world)
    assert "depends_on" not in world.status("engine")
