"""Pushed pages in the ledger: in whatever parts and order they come, they count as the same pages in one piece do."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from tests.collector.promql.world import START, Engine, Rows, Samples, database, every, replayed, rows_of
from tests.collector.push.world import Receiving, sharded, told_of

MINUTES = 10


@pytest.fixture
def world(tmp_path: Path) -> Receiving:
    return Receiving(tmp_path, database(tmp_path, "pushed"), ManualClock(START + 1.0))


def fleet_of(seed: int) -> Samples:
    """Ten minutes of three engines: one begins anew twice, one fails scrapes, one is removed and comes back."""
    random, samples = Random(seed), Samples()
    engines = [Engine(f"h{n}:8000", START - 9000, {"region": "eu"}) for n in range(3)]
    for tick, moment in enumerate(every(15, START + 2, START + MINUTES * 60)):
        for n, engine in enumerate(engines):
            if n == 0 and tick in (11, 24):
                engine.restart(moment - 4)
            if n == 2 and tick == 15:
                samples.removed(engine.target, moment + 1)
            engine.serve(random.randint(0, 30), aborted=random.randint(0, 1), slow=2)
            if not (n == 2 and 15 <= tick < 22):
                samples.scrape(engine.target, moment + n, None if n == 1 and tick % 9 == 4 else engine.page())
    return samples


def counts(rows: Rows) -> Rows:
    return {key: n for key, n in rows.items() if key[2] != "target_time"}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), shards=st.integers(1, 7), size=st.integers(5, 60))
def test_parts_in_any_order_count_as_whole_pages_do(
    tmp_path_factory: pytest.TempPathFactory, seed: int, shards: int, size: int
) -> None:
    folder, random = tmp_path_factory.mktemp("push"), Random(seed)
    samples = fleet_of(seed)
    world = Receiving(folder, database(folder, "pushed"), ManualClock(samples.end() + 1))
    for request in sharded(told_of(samples), shards, size, random):
        world.push(request)
        if random.random() < 0.2:
            world.push(request)  # the answer was lost
        if random.random() < 0.1:
            world.settle(random.random() / 10)
        if random.random() < 0.05:
            world.start()
    world.settle()
    world.settle()
    expected = counts(replayed(folder, samples.openmetrics(), world.clock.now()))
    assert counts(rows_of(world.database)) == expected
    assert world.waiting() == 0 and world.source.assembly.samples == 0
    world.database.dispose()
