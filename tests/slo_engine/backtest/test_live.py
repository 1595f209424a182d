"""A backtest tells what the live engine told of the same minutes; what it passes over could not have told anything."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.measures import Measure
from slo_engine import backtest as backtests
from slo_engine.backtest import Replay, load_book, minute_zone, replaying, zones
from slo_engine.resets import Resets
from slo_engine.tick import stored_revisions
from storage import slo as store
from storage import slo_sets
from storage.fleet import TargetHealth, put_targets
from storage.ledger import rollups
from tests.slo_engine.world import START, World, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M, N = (("model", "m"),), (("model", "n"),)
HOUR = 3600


class Spell(NamedTuple):
    """Traffic of one group from `at` on, a commit."""

    at: int
    minutes: int
    group: tuple[tuple[str, str], ...]
    requests: int
    bad: int
    coverage: float

    def commit(self, world: World) -> None:
        counts = {(GOOD, self.group): self.requests - self.bad, (BAD, self.group): self.bad}
        span = range(self.at, self.at + self.minutes * 60, 60)
        world.count(span, counts, f"{self.group}", coverage=self.coverage)


def spells(hours: int, seed: int) -> list[Spell]:
    """Two groups with bursts of errors and silences, in order of time."""
    random, found = Random(seed), []
    for group in (M, N):
        at = START
        while at < START + hours * HOUR:
            minutes, requests = random.choice([7, 45, 200, 400]), random.choice([0, 3, 200, 1000])
            bad = int(requests * random.choice([0, 0, 0.001, 0.02, 0.2, 1]))
            found.append(Spell(at, minutes, group, requests, bad, random.choice([1.0, 1.0, 0.7])))
            at += minutes * 60
    return sorted(found, key=lambda spell: spell.at)


def lay_down(world: World, hours: int, seed: int) -> None:
    for spell in spells(hours, seed):
        spell.commit(world)


def discover(world: World) -> None:
    """Targets of both groups, which stay."""
    for group in (M, N):
        url = f"http://{dict(group)['model']}:1/metrics"
        target = TargetHealth(url, "0", "vllm", {}, 15.0, START, groups=[dict(group)], signals=["requests"])
        with world.db.write() as connection:
            put_targets(connection, [target])


def told(world: World) -> list[tuple[Any, ...]]:
    names = {slo.name for slo in world.slos}
    return [(e.at, e.slo, e.group_key, e.severity, e.transition, e.starts_at) for e in world.events() if e.slo in names]


def would_tell(replay: Replay) -> list[tuple[Any, ...]]:
    return [(*move.change, move.starts_at) for move in replay.moves]


@pytest.mark.parametrize("seed", [1, 2])
def test_events_are_those_of_the_live_engine_through_revisions_and_resets_over_days(world: World, seed: int) -> None:
    discover(world)
    to_come = spells(60, seed)
    world.lead(spec(target=99), spec(target=95, name="low", window="7d"))
    judged = []
    for tick, minute in enumerate(range(START + 60, START + 60 * HOUR, 17 * 60)):
        world.clock.set(float(minute))
        if tick == 80:
            world.lead(spec(target=99.9), spec(target=95, name="low", window="7d"))
        if tick == 120:
            slo_sets.reset(world.db, "success", None, float(minute), "ann", "proven wrong", float(minute))
        while to_come and to_come[0].at <= minute:
            to_come.pop(0).commit(world)
        judged.append(minute)
        world.tick(minute)
    book = load_book(world.db, world.slos)
    replay = Replay(book, stored_revisions(world.db), resets=Resets(slo_sets.resets(world.db)))
    replay.run([minute_zone(judged)])
    assert would_tell(replay) == told(world)
    assert len(told(world)) > 10
    assert world.status("success", model="m")["reset_reason"] == "proven wrong"


@given(st.integers(0, 10**6), st.integers(1, 38))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_passed_over_could_not_have_moved_an_alert_at_any_resolution(seed: int, pruned: int) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        lay_down(world, 40, seed)
        world.lead(spec(target=99), spec(target=90, name="low", window="7d"))
        world.tick(START + 40 * HOUR)
        with world.db.write() as connection:  # as a ledger is after some time: minutes of the end, five minutes before
            rollups.prune(connection, 60, START + pruned * HOUR)
            rollups.prune(connection, 300, START + pruned * HOUR / 2)
        asked = zones(world.db, START, START + 40 * HOUR)
        quick, slow = (Replay(load_book(world.db, world.slos), {}) for _ in range(2))
        quick.run(asked)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replaying, "suspects", lambda _f, _a, zone, *_: np.ones(len(zone.ends), bool))
            slow.run(asked)
        world.db.dispose()
        assert quick.moves == slow.moves


def test_minutes_in_which_nothing_can_move_are_not_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.count(range(START, START + 6 * HOUR, 60), {(GOOD, M): 1000, (BAD, M): 1})
    world.count(range(START + 2 * HOUR, START + 2 * HOUR + 600, 60), {(BAD, M): 900}, "burst", coverage=None)
    world.lead(spec(target=99))
    world.tick(START + 6 * HOUR)
    asked: list[int] = []
    judge = Replay._judge
    monkeypatch.setattr(
        Replay, "_judge", lambda self, lane, end, zone: (asked.append(end), judge(self, lane, end, zone))
    )
    replay = Replay(load_book(world.db, world.slos), {})
    replay.run(zones(world.db, START, START + 6 * HOUR))
    assert [move.change.transition for move in replay.moves][:2] == ["pending", "firing"]
    # In the first minutes so few events have come that the detector for few events is asked.
    assert max(end for end in asked if end <= START + 2 * HOUR) < START + HOUR
    assert min(end for end in asked if end > START + 2 * HOUR) == START + 2 * HOUR + 60
    assert len(asked) < 5 * 60


def test_hours_alone_are_judged_by_the_hour_with_windows_of_whole_hours(world: World) -> None:
    world.count(range(START, START + 10 * HOUR, 60), {(GOOD, M): 1000})
    world.count(range(START + 4 * HOUR, START + 5 * HOUR, 60), {(BAD, M): 1000}, "outage", coverage=None)
    world.lead(spec(target=99))
    world.tick(START + 10 * HOUR)
    with world.db.write() as connection:
        rollups.prune(connection, 60, START + 20 * HOUR)
        rollups.prune(connection, 300, START + 20 * HOUR)
    found = zones(world.db, START, START + 10 * HOUR)
    assert [(zone.width, zone.ends[0], zone.ends[-1]) for zone in found] == [(3600, START + HOUR, START + 10 * HOUR)]
    replay = Replay(load_book(world.db, world.slos), {})
    replay.run(found)
    firing = [move for move in replay.moves if move.change.transition == "firing"]
    assert {(move.change.minute, move.change.severity) for move in firing} == {
        (START + 5 * HOUR, "page"),
        (START + 5 * HOUR, "ticket"),
    }
    page = next(move for move in firing if move.change.severity == "page")
    assert page.row is not None
    assert page.row.short == 300  # the row is told as it stands in the table


def test_the_course_has_the_budget_and_the_burn_of_each_window(world: World) -> None:
    world.count(range(START, START + HOUR, 60), {(GOOD, M): 99, (BAD, M): 1})
    world.lead(spec(target=99))
    world.tick(START + HOUR)
    replay = Replay(load_book(world.db, world.slos), {}, every=30, burns=True)
    replay.run(zones(world.db, START, START + HOUR))
    assert [point.at for point in replay.lanes[0].course] == [START + 60, START + 31 * 60]
    assert replay.lanes[0].course[1].budget == 0.0
    assert set(replay.lanes[0].course[1].burns.values()) == {1.0}


def test_the_package_says_the_same_as_its_short_form(world: World) -> None:
    lay_down(world, 6, 5)
    world.lead(spec(target=99))
    world.tick(START + 6 * HOUR)
    minutes = list(range(START + 60, START + 6 * HOUR, 60))
    replay = Replay(load_book(world.db, world.slos), {})
    replay.run([minute_zone(minutes)])
    assert backtests.backtest(world.db, world.slos, minutes, {}) == [move.change for move in replay.moves]
    assert store.evaluations(world.db) == [START + 6 * HOUR]
