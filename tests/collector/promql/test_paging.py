"""No sample is taken twice, none is missed: whatever the pieces, the edges, the limits, the crashes and the outages."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from collector.promql.pieces import LONGEST, SHORTEST, PieceLength
from collector.promql.reading import SpanReader
from core.clock import ManualClock
from core.errors import ScrapeError
from tests.collector.promql.world import (
    START,
    Engine,
    Reader,
    Samples,
    Tsdb,
    database,
    replayed,
    rows_of,
    server,
    uncovered,
)

HOUR = 3600


def _fleet(seed: int) -> Samples:
    """Some engines over an hour: born late, begun anew, failing, silent, removed."""
    random, samples = Random(seed), Samples()
    for n in range(random.randint(1, 3)):
        first = random.choice([0, 0, random.randint(60, 1200)])
        labels = random.choice([{}, {"version": "v1", "region": "eu"}])
        engine = Engine(f"h{n}:1", START + first - (9000 if first == 0 else 3), dict(labels))
        step = random.choice([5, 15, 30])
        phase, end = random.randint(0, step * 1000 - 1) / 1000, random.choice([HOUR, random.randint(1500, 3000)])
        _live(engine, samples, random, START + first + phase, START + end, step)
        if end < HOUR:
            samples.removed(engine.target, START + end + step)
    return samples


def _live(engine: Engine, samples: Samples, random: Random, begin: float, end: float, step: int) -> None:
    time, silent = begin, 0
    while time < end:
        engine.serve(random.randint(0, 50), random.randint(0, 2), random.randint(0, 5))
        what = random.random()
        if what < 0.01:
            engine.restart(time - 1.0)
        if what > 0.99:
            silent = random.randint(1, 30)
        if silent == 0:
            samples.scrape(engine.target, time, None if 0.02 < what < 0.05 else engine.page())
        silent, time = max(0, silent - 1), time + step


@given(
    seed=st.integers(0, 10**6),
    left_closed=st.booleans(),
    limit=st.sampled_from([300, 2_000, 10**9]),
    chances=st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)),
)
@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_the_ledger_is_that_of_a_replay_whatever_the_edges_the_limits_the_crashes_and_the_outages(
    seed: int, left_closed: bool, limit: int, chances: tuple[float, float]
) -> None:
    samples, random = _fleet(seed), Random(seed + 1)
    with TemporaryDirectory() as folder:
        api = Tsdb(samples, left_closed=left_closed, limit=limit)
        known = server(max_points=random.choice([400, 10**6]), delay=0.0)
        reader = Reader(database(Path(folder), "read"), api, ManualClock(START), known)
        now = START + random.randint(100, HOUR)
        while now < START + HOUR + 400:
            api.down = random.random() < chances[0]
            if random.random() < chances[1]:
                reader.start()
            reader.round(float(now))
            now += random.choice([7, 60, 60, 300])
        api.down = False
        reader.round(float(now))
        counted = {key: n for key, n in rows_of(reader.database).items() if key[2] != "target_time"}
        file = replayed(Path(folder), samples.openmetrics(), float(now))
        least = min(uncovered(reader.database).values(), default=0)
        reader.database.dispose()
    assert least >= 0
    assert counted == {key: n for key, n in file.items() if key[2] != "target_time"}


@given(wished=st.integers(2, 10**6), samples=st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_pieces_follow_each_other_without_gap_or_overlap_and_end_at_the_goal(wished: int, samples: list[int]) -> None:
    piece, at, goal, edges = PieceLength(wished), 0, 100_000, [0]
    for n in samples:
        end = piece.end(at, goal)
        piece.answered(max(end - at, 1), n)
        at = end
        edges.append(end)
        if at == goal:
            break
    assert all(begin < end <= min(goal, begin + LONGEST) for begin, end in pairwise(edges))
    assert SHORTEST <= piece.seconds <= LONGEST


@given(span=st.integers(1, LONGEST))
def test_a_span_that_is_refused_is_halved_until_it_is_the_shortest(span: int) -> None:
    piece, tries = PieceLength(100, span), 0
    while piece.too_long(length := piece.seconds):
        tries += 1
        assert piece.seconds == max(length // 2, SHORTEST)
    assert piece.seconds == SHORTEST or span < SHORTEST
    assert tries < 12


@pytest.mark.parametrize("left_closed", [True, False])
def test_every_sample_of_a_span_is_read_and_none_of_its_left_edge(left_closed: bool) -> None:
    samples = Samples()
    for time in range(START, START + 100):
        samples.put("up", {"job": "vllm", "instance": "a:1"}, time, 1.0)
    stream = _asked(Tsdb(samples, left_closed=left_closed), START + 10, START + 20)
    assert stream == [(START + second) * 1000 for second in range(11, 21)]


def test_a_server_that_refuses_even_the_shortest_span_is_an_error() -> None:
    samples = Samples()
    for time in range(START, START + 100):
        samples.put("up", {"job": "vllm", "instance": "a:1"}, time, 1.0)
    with pytest.raises(ScrapeError, match="too many samples") as failed:
        _asked(Tsdb(samples, limit=3), START, START + 100)
    assert failed.value.reason == "too_much"


def _asked(api: Tsdb, begin: int, end: int) -> list[int]:
    import asyncio

    async def ask() -> list[int]:
        answer = await SpanReader(api, ['{job="vllm"}'], 1000).next(['{__name__="up"}'], begin, end)
        return [time for stream in answer.streams for time in stream.times]

    return asyncio.run(ask())
