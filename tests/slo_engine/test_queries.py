"""An SLO over PromQL queries is judged as any other, and says that it is not exact."""

from __future__ import annotations

from core.measures import TARGET_TIME, Measure
from slo_engine.compile import queries_of
from slo_engine.describe import describe
from slo_engine.status import INEXACT
from storage import plan
from tests.slo_engine.world import START, World, spec

PART, TOTAL = "sum by (model) (bad_events * 1)", "sum by (model) (all_events * 1)"
GROUP = (("model", "m"),)
SOURCE = "{{metricSource: {{type: prometheus, spec: {{query: '{query}', by: [model]}}}}}}"
SLO = spec(f"{{ratioMetric: {{bad: {SOURCE.format(query=PART)}, total: {SOURCE.format(query=TOTAL)}}}}}", name="asked")


def count(world: World, minutes: range, part: int, total: int, *, covered: bool = True) -> None:
    (ratio,) = queries_of(world.slos[0])
    of = ("of", ratio.name)
    times = {"expected": 60_000} | ({"covered": 60_000} if covered else {})
    amounts = {(ratio.measure("part"), GROUP): part, (ratio.measure("total"), GROUP): total}
    spans = {(Measure(TARGET_TIME, "", (of, ("state", state))), GROUP): n for state, n in times.items()}
    world.count(minutes, {**amounts, **spans}, coverage=None)


def test_the_plan_asks_for_its_queries(world: World) -> None:
    world.lead(SLO)
    assert plan.current(world.db).queries == tuple(queries_of(world.slos[0]))
    assert plan.current(world.db).selectors == ()


def test_nothing_answered_is_said(world: World) -> None:
    world.lead(SLO)
    world.tick(START + 600)
    found = world.status("asked")
    assert found["sli"] is None and found["exact"] is None
    assert "no server has answered the SLI's queries; check that collector.prometheus has one server" in found["reason"]


def test_the_row_says_that_it_is_not_exact(world: World) -> None:
    world.lead(SLO)
    count(world, range(START, START + 3600, 60), 2, 100)
    world.tick(START + 3600)
    found = world.status("asked")
    assert (found["good"], found["total"], found["sli"], found["coverage"]) == (5880, 6000, 0.98, 1.0)
    assert found["exact"] is False
    assert found["reason"].startswith(INEXACT)


def test_minutes_without_an_answer_lower_the_coverage(world: World) -> None:
    world.lead(SLO)
    count(world, range(START, START + 2400, 60), 0, 100)
    count(world, range(START + 2400, START + 3600, 60), 0, 0, covered=False)
    world.tick(START + 3600)
    found = world.status("asked")
    assert found["coverage"] == 2 / 3
    assert found["reason"].startswith("partial") and INEXACT in found["reason"]


def test_burning_queries_alert(world: World) -> None:
    world.lead(SLO)
    for minute in range(START, START + 7200, 60):
        count(world, range(minute, minute + 60, 60), 50 if minute >= START + 3600 else 0, 100)
        world.tick(minute + 60)
    assert any("firing page" in line for line in world.told("asked"))
    told = world.events("asked")[0].annotations["description"]
    assert "Not exact: PromQL queries counted." in told


def test_other_slos_are_exact(world: World) -> None:
    world.lead(spec())
    count_of = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
    world.count(range(START, START + 3600, 60), {(count_of, GROUP): 5})
    world.tick(START + 3600)
    assert (world.status()["exact"], world.status()["reason"]) == (True, None)


def test_its_description_names_both_queries(world: World) -> None:
    (slo,) = world.read(SLO)
    found = describe(slo)
    assert found is not None
    (name,) = found["total"]["measures"]
    assert PART in name and TOTAL in name
    assert (found["part"]["where"], found["total"]["where"]) == ('count="part"', 'count="total"')
    assert found["coverage"]["of"] == [name]


def test_minutes_that_a_query_is_asked_of_are_judged_one_by_one(world: World) -> None:
    asked = SOURCE.format(query="probe_success")
    world.lead(spec(f"{{thresholdMetric: {asked}}}", 99.0, name="asked", at_most=1, op="gte"))
    count(world, range(START, START + 3600, 60), 1, 1)
    count(world, range(START + 3600, START + 3660, 60), 0, 1)
    world.tick(START + 3660)
    found = world.status("asked")
    assert (found["good"], found["total"], found["burn_rates"]["5m"]) == (60, 61, 20)
    assert found["state"] != "ok"


def test_a_raw_ratio_counts_minutes_by_their_share(world: World) -> None:
    asked = SOURCE.format(query="share_of_good")
    world.lead(spec(f"{{ratioMetric: {{rawType: success, raw: {asked}}}}}", 99.0, name="asked"))
    count(world, range(START, START + 600, 60), 900_000, 1_000_000)
    world.tick(START + 600)
    found = world.status("asked")
    assert (found["good"], found["total"], found["sli"]) == (9.0, 10.0, 0.9)
    (event, *_) = world.events("asked")
    assert "1 of 10 minutes were bad" in event.annotations["description"]
