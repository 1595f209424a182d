"""A backtest tells of composites what the live engine told."""

from __future__ import annotations

from random import Random

import pytest

from slo_engine.backtest import Replay, load_book, measurable, minute_zone
from slo_engine.tick import stored_revisions
from storage.fleet import TargetHealth, put_targets
from tests.slo_engine.composites.test_round import BAD, GOOD, HOUR, TTFT, M, N, journey
from tests.slo_engine.world import START, World


def discover(world: World) -> None:
    """Targets of both groups, which stay."""
    for group in (M, N):
        url, signals = f"http://{dict(group)['model']}:1/metrics", ["requests", "ttft"]
        target = TargetHealth(url, "0", "vllm", {}, 15.0, START, groups=[dict(group)], signals=signals)
        with world.db.write() as connection:
            put_targets(connection, [target])


def spells(world: World, hours: int, seed: int) -> None:
    """Bursts of errors and of slowness, silences and blindness, in both groups."""
    random = Random(seed)
    for group in (M, N):
        at = START
        while at < START + hours * HOUR:
            minutes, requests = random.choice([7, 45, 200]), random.choice([0, 3, 200, 1000])
            bad, slow = (int(requests * random.choice([0, 0, 0.02, 0.2])) for _ in range(2))
            counts = {(GOOD, group): requests - bad, (BAD, group): bad, (TTFT, group): {0: requests - slow, 1: slow}}
            span = range(at, at + minutes * 60, 60)
            world.count(span, counts, f"{group}", coverage=random.choice([1.0, 1.0, 0.7, 0.2]))
            at += minutes * 60


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_composites_are_judged_as_the_live_engine_judged_them(world: World, seed: int) -> None:
    discover(world)
    spells(world, 24, seed)
    world.lead(journey(weight="0.5"))
    judged = list(range(START + HOUR, START + 24 * HOUR, 11 * 60))
    for minute in judged:
        world.tick(minute)
    replay = Replay(load_book(world.db, measurable(world.slos)), stored_revisions(world.db))
    replay.run([minute_zone(judged)])
    live = [(e.at, e.slo, e.group_key, e.severity, e.transition, e.starts_at) for e in world.events("journey")]
    assert [(*move.change, move.starts_at) for move in replay.moves] == live
    assert len(live) > 3
