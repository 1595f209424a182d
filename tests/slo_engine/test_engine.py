"""The engine over many rounds: nothing is told twice or never, whoever leads and however often it begins anew."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.errors import LeaseLost
from core.measures import Measure
from slo_engine.backtest import backtest
from slo_engine.metrics import EngineMetrics
from slo_engine.tick import LEASE, Engine
from storage import leases, plan
from storage import slo as store
from storage.fleet import TargetHealth, put_targets
from tests.slo_engine.world import START, World, ratio, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M, N = (("model", "m"),), (("model", "n"),)
HOURS = 3

spells = st.lists(
    st.tuples(
        st.integers(1, 40),  # minutes
        st.sampled_from([0, 1, 20, 1000]),  # requests a minute
        st.sampled_from([0.0, 0.01, 0.2, 1.0]),  # bad ones among them
        st.sampled_from([0.0, 0.7, 0.9, 1.0]),  # coverage
    ),
    min_size=1,
    max_size=5,
)
ticks = st.lists(st.tuples(st.integers(1, 15), st.sampled_from(["go on", "begin anew", "take over"])), max_size=12)


def lay_down(world: World, group: tuple[tuple[str, str], ...], traffic: list[tuple[int, int, float, float]]) -> None:
    at = START
    for length, requests, share, coverage in traffic:
        bad = int(requests * share)
        span = range(at, at + length * 60, 60)
        world.count(span, {(GOOD, group): requests - bad, (BAD, group): bad}, f"{group}", coverage=coverage)
        at += length * 60
    url = f"http://{dict(group)['model']}:1/metrics"
    target = TargetHealth(url, "0", "vllm", {}, 15.0, START, groups=[dict(group)], signals=["requests"])
    with world.db.write() as connection:
        put_targets(connection, [target])


@given(spells, spells, ticks)
@example(
    [(20, 1000, 0.0, 1.0), (30, 1000, 1.0, 1.0), (60, 1000, 0.0, 1.0)], [(9, 1, 1.0, 0.0)], [(6, "begin anew")] * 12
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_live_engine_tells_what_a_backtest_of_the_same_minutes_tells_through_restarts_and_changes_of_leader(
    traffic: list[tuple[int, int, float, float]],
    other: list[tuple[int, int, float, float]],
    rounds: list[tuple[int, str]],
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        lay_down(world, M, traffic)
        lay_down(world, N, other)
        world.lead(spec(target=99), holder="engine 0", ttl=0.0)
        minute, judged, leader = START, [], 0
        for step, what in rounds:
            minute += step * 60
            judged.append(minute)
            world.clock.set(float(minute))
            if what != "go on":
                leader = 1 - leader if what == "take over" else leader
                before = world.engine
                world.lead(holder=f"engine {leader}", ttl=0.0)
                if what == "take over":
                    seen = store.evaluations(world.db), len(world.events("success"))
                    with suppress(LeaseLost):
                        before.tick()  # a leader that does not know yet writes nothing
                    assert (store.evaluations(world.db), len(world.events("success"))) == seen
            world.tick(minute)
        found = [(one.at, one.slo, one.group_key, one.severity, one.transition) for one in world.events("success")]
        slos = world.slos
        expected = [
            (c.minute, c.slo, c.group_key, c.severity, c.transition) for c in backtest(world.db, slos, judged, {})
        ]
        world.db.dispose()
        assert found == expected


def test_a_minute_is_judged_once_however_often_the_engine_looks(world: World) -> None:
    world.count(range(START, START + 3600, 60), {(BAD, M): 1000})
    world.lead(spec(target=99))
    world.tick(START + 600)
    for seconds in range(0, 60, 15):
        world.tick(START + 600, now=START + 600.0 + seconds)
    world.lead()
    world.tick(START + 600, now=START + 655.0)
    assert [one.transition for one in world.events("success")] == ["firing", "firing"]
    assert store.evaluations(world.db) == [START + 600]


def test_an_alert_that_comes_again_begins_again(world: World) -> None:
    good, bad = {(GOOD, M): 1000}, {(BAD, M): 1000}
    hour = START + 3600
    world.count(range(START, hour, 60), good)
    world.count(range(hour, hour + 1200, 60), bad)
    world.count(range(hour + 1200, hour + 5 * 3600, 60), good)
    world.count([hour + 5 * 3600], {(BAD, M): 1000})
    world.lead(spec(target=99, ticket="false"))
    for minute in (*range(hour, hour + 8000, 60), hour + 5 * 3600, hour + 5 * 3600 + 60):
        world.tick(minute)
    again = world.events("success")[-1]
    assert again.transition in ("pending", "firing")
    assert again.starts_at == again.at == hour + 5 * 3600 + 60


def test_late_counts_change_the_numbers_and_tell_nothing_of_minutes_gone_by(world: World) -> None:
    world.count(range(START, START + 7200, 60), {(GOOD, M): 1000})
    world.lead(spec(target=99))
    world.tick(START + 7200)
    world.count(range(START, START + 600, 60), {(BAD, M): 500}, "late", coverage=None)
    world.tick(START + 7260)
    assert world.status()["total"] == 125_000
    assert [one.severity for one in world.events("success")] == ["ticket"]  # as of now: 4 % of a day


def test_a_revision_is_stored_once_and_an_unchanged_slo_makes_none(world: World) -> None:
    world.lead(spec(target=99))
    world.lead()
    world.lead(spec(target=99))
    assert [one.objective for one in store.revisions(world.db)] == ["99/100"]
    world.clock.advance(60)
    world.lead(spec(target=99.9))
    assert [(one.since, one.objective) for one in store.revisions(world.db)] == [
        (START, "99/100"),
        (START + 60, "999/1000"),
    ]


def test_the_plan_holds_the_selectors_of_the_slos_in_force(world: World) -> None:
    selectors = ratio("selector: 'x_total{code=\"500\"}', by: [pod]", "selector: x_total, by: [pod]", "bad")
    world.lead(spec(selectors), spec(name="other"))
    found = plan.current(world.db)
    assert [one.name for one in found.selectors] == ["selector:x_total by(pod)", 'selector:x_total{code="500"} by(pod)']
    world.lead()
    assert plan.current(world.db).revision == found.revision
    world.lead(spec(name="other"))
    assert plan.current(world.db).selectors == ()


def test_groups_beyond_the_cap_are_told_of_and_their_sums_stay_exact(world: World) -> None:
    world.dictionary._cap = 2
    groups = [(("model", name),) for name in "abcd"]
    for group in groups:
        world.count([START], {(GOOD, group): 10}, f"{group}", coverage=None)
    world.lead(spec(target=99))
    world.tick(START + 60)
    rows = {row["group"]["model"]: row["total"] for row in store.status(world.db)}
    assert rows == {"a": 10, "b": 10, "__other__": 20}


def test_the_cap_alone_is_a_ticket_that_names_the_measures(world: World) -> None:
    from storage import fleet

    world.lead(spec(target=99))
    with world.db.write() as connection:
        fleet.put_shard(connection, "capped", START + 60, START, START + 60, {"capped": ["requests"]})
    world.tick(START + 60)
    (told,) = world.events("group cap reached")
    assert (told.severity, told.transition) == ("ticket", "firing")
    assert "requests" in told.annotations["summary"]


def test_an_engine_that_was_replaced_writes_nothing(world: World) -> None:
    world.count([START], {(BAD, M): 1000})
    first = world.lead(spec(target=99), ttl=10.0)
    world.clock.advance(11)
    second = Engine(world.db, world.settings, "", world.slos, world.clock, EngineMetrics())
    epoch = leases.acquire(world.db, LEASE, "second", world.clock.now(), 10.0)
    assert epoch == 2
    second.lead(epoch)
    with pytest.raises(LeaseLost):
        first.tick()
    with pytest.raises(LeaseLost):
        first.use(world.slos)
    with pytest.raises(LeaseLost):
        first.clean()
    assert world.events() == []
    assert store.status(world.db) == []


def test_a_broken_source_of_one_slo_is_said_and_the_others_are_measured(world: World) -> None:
    foreign = "{metricSource: {type: prometheus, spec: {query: up}}}"
    world.count([START], {(GOOD, M): 10})
    world.lead(spec(f"{{ratioMetric: {{counter: true, good: {foreign}, total: {foreign}}}}}", name="foreign"), spec())
    world.tick(START + 60)
    assert world.status("foreign")["reason"] is not None
    assert world.status()["total"] == 10
