"""Pushed pages in the ledger: in whatever parts and order they come, they count as the same pages in one piece do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.promql.claims import Claims
from collector.promql.pages import Address
from collector.push import source as source_module
from collector.settings import RemoteWriteReceiver
from core.clock import ManualClock
from core.errors import StorageBusy
from core.matchers import parse_selector
from storage import plan
from storage.fleet import TargetHealth, put_targets
from storage.plan import SelectorMeasure
from storage.series import SeriesReader, is_stale
from tests.collector.promql.world import (
    START,
    Engine,
    Rows,
    Samples,
    database,
    every,
    replayed,
    rows_of,
    target_time,
    total,
)
from tests.collector.push.world import Receiving, Sent, sharded, told_of

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


def told_at(samples: Samples, time: float) -> list[Sent]:
    """What a sender sends of the scrapes at one time."""
    return [one for one in told_of(samples) if one.time == round(time * 1000)]


def counts(rows: Rows) -> Rows:
    return {key: n for key, n in rows.items() if key[2] != "target_time"}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


# Targets.


class Fleet:
    """One engine, scraped every 15 s and pushed at once."""

    def __init__(self, world: Receiving, extra: dict[str, str] | None = None) -> None:
        self.world, self.samples, self.extra = world, Samples(), extra or {}
        self.engine = Engine("a:1", START - 9000, {"region": "eu"})
        self.time = START + 2.0

    def scrape(self, times: int = 1, requests: int = 10) -> None:
        for _ in range(times):
            self.engine.serve(requests)
            self.samples.scrape(self.engine.target, self.time, self.engine.page())
            self.push()
            self.time += 15

    def push(self) -> None:
        self.world.clock.set(self.time + 1)
        found = told_at(self.samples, self.time)
        self.world.push(one._replace(labels=tuple(sorted((*one.labels, *self.extra.items())))) for one in found)
        self.world.source.flush()

    def removed(self) -> None:
        self.samples.removed(self.engine.target, self.time)
        self.push()


def requests(world: Receiving) -> int:
    return total(rows_of(world.database), "requests")


def test_a_target_is_known_by_its_pages_and_its_time_is_covered_between_them(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(5)
    known = world.target("a:1")
    assert (known.url, known.shard, known.up, known.engine) == ("push:a:1/vllm", "0/push", True, "vllm")
    assert (known.interval, known.labels["region"], known.last_scrape_at) == (15.0, "eu", fleet.time - 15)
    assert requests(world) == 40
    assert target_time(world.database, "expected") == target_time(world.database, "covered") == 60_000


def test_a_stale_up_is_a_departure_and_silence_is_not(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(5)
    world.settle(60)
    silent = world.target("a:1")
    assert (silent.error_reason, silent.left_at) == ("silent", None)
    assert target_time(world.database, "expected") > target_time(world.database, "covered") == 60_000
    fleet.time += 60
    fleet.scrape(1)
    assert world.target("a:1").error_reason is None
    assert target_time(world.database, "expected") == target_time(world.database, "covered") == 135_000
    fleet.removed()
    assert world.target("a:1").left_at == fleet.time - 15
    fleet.time += 300
    fleet.scrape(2)
    assert world.target("a:1").left_at is None
    assert requests(world) == 70


def test_a_target_whose_sender_is_gone_leaves_in_the_end(world: Receiving) -> None:
    Fleet(world).scrape(2)
    world.settle(3500)
    assert world.target("a:1").left_at is None
    world.settle(101)
    assert world.target("a:1").left_at is not None


def test_the_watermark_waits_for_a_target_that_is_pushed_and_not_for_one_that_is_silent(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(3)
    assert world.watermark() == fleet.time - 15
    world.settle(40)
    assert world.watermark() == fleet.time - 15
    world.settle(20)
    assert world.watermark() == world.clock.now() - 15  # what it promises to be late


def test_a_request_that_comes_again_after_its_page_was_counted_counts_nothing(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(4)
    for again in range(3):
        if again == 2:
            world.start()
        world.push(told_of(fleet.samples))
        world.settle()
    assert requests(world) == 30
    assert world.waiting() == 0


def test_a_kept_request_is_counted_by_the_next_process(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(2)
    fleet.engine.serve(7)
    fleet.samples.scrape(fleet.engine.target, fleet.time, fleet.engine.page())
    world.clock.set(fleet.time + 1)
    world.push(told_at(fleet.samples, fleet.time))
    assert (requests(world), world.waiting()) == (10, 1)
    world.start()
    world.settle(1)
    assert (requests(world), world.waiting()) == (17, 0)


def test_a_commit_that_fails_loses_nothing(world: Receiving, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(world)
    fleet.scrape(2)

    def busy(*_: object) -> None:
        raise StorageBusy("database is locked")

    for broken in ("put_targets", "targets"):
        with monkeypatch.context() as patch:
            patch.setattr(source_module.fleet, broken, busy)
            world.clock.advance(20)
            before = fleet.time
            with suppress(StorageBusy):
                fleet.scrape()
            fleet.time = before + 15
        assert world.waiting() > 0
    fleet.scrape()
    assert (requests(world), world.waiting()) == (40, 0)


def test_of_two_senders_one_is_followed_and_then_the_other(world: Receiving) -> None:
    left, right = Fleet(world, {"__replica__": "a"}), Fleet(world, {"__replica__": "b"})
    right.time += 5
    for _ in range(4):
        left.scrape()
        right.engine = left.engine
        right.scrape(requests=0)
    assert requests(world) == 30
    assert world.dropped("replica") > 0
    assert world.target("a:1").interval == 15.0
    for _ in range(5):
        right.scrape()
    assert requests(world) == 80
    assert world.target("a:1").last_scrape_at == right.time - 15


def test_two_senders_that_nothing_tells_apart_count_once(world: Receiving) -> None:
    left, right = Fleet(world), Fleet(world)
    right.time += 5
    for _ in range(4):
        left.scrape()
        right.engine = left.engine
        right.scrape(requests=0)
    assert requests(world) == 30


def test_another_target_of_the_same_name_is_not_mixed_in(world: Receiving) -> None:
    one, other = Fleet(world, {"cluster": "x"}), Fleet(world, {"cluster": "y"})
    other.time += 3
    other.engine.serve(100_000)
    for _ in range(4):
        one.scrape()
        other.scrape()
    assert requests(world) == 30
    assert world.target("a:1").labels["cluster"] == "x"
    assert world.pages("other_target") == 4


@pytest.mark.parametrize("shard", ["0", "0/prometheus:main"])
def test_a_target_that_is_counted_elsewhere_is_not_counted_here(world: Receiving, shard: str) -> None:
    fleet = Fleet(world)
    fleet.scrape(3)
    known = TargetHealth("x", shard, "vllm", {"instance": "a:1", "job": "vllm"}, 15.0, START)
    with world.database.write() as connection:
        put_targets(connection, [known])
    fleet.scrape(2)
    assert requests(world) in (20, 30)  # it is looked at every 15 s
    before, pushed = requests(world), world.target_of("push:a:1/vllm")
    assert pushed.left_at is not None
    fleet.scrape(3)
    assert requests(world) == before
    assert "a:1 is" in world.detail()["refused"][0]
    with world.database.write() as connection:
        put_targets(connection, [replace(known, left_at=START + 1.0)])
    world.clock.advance(20)
    fleet.time += 30
    fleet.scrape(3)
    assert requests(world) == before + 20  # what it counted elsewhere is not counted again


def test_samples_of_no_target_of_the_future_and_of_others_are_not_taken(tmp_path: Path) -> None:
    chosen = RemoteWriteReceiver(enabled=True, match=('{job="vllm"}',))
    world = Receiving(tmp_path, database(tmp_path, "pushed"), ManualClock(START + 1.0), chosen)
    time = round(START * 1000)
    world.push([Sent((("__name__", "job:rate"), ("job", "vllm")), time, 1.0)])
    world.push([Sent((("__name__", "up"), ("instance", "a:1"), ("job", "node")), time, 1.0)])
    world.push([Sent((("__name__", "up"), ("instance", "a:1"), ("job", "vllm")), time + 62_000, 1.0)])
    world.push([Sent((("__name__", "up"), ("instance", "a:1"), ("job", "vllm")), 1000, 1.0)])
    assert [world.dropped(why) for why in ("no_target", "not_selected", "future", "past")] == [1, 1, 1, 1]
    assert world.waiting() == 0


def test_a_selector_that_is_new_counts_what_the_recent_series_hold(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(5)
    selector = SelectorMeasure(selector='vllm:request_success_total{finished_reason="stop"}')
    with world.database.write() as connection:
        plan.put(connection, [selector], world.clock.now())
    fleet.scrape(2)
    assert total(rows_of(world.database), selector.name) == 60


def test_a_new_pages_recent_series_end_with_the_target(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(3)
    fleet.removed()
    world.settle(40)
    (found,) = SeriesReader(world.folder / "series").select(parse_selector("up"), 0, 2**50)
    assert found.values[:-1].tolist() == [1.0, 1.0, 1.0] and is_stale(found.values)[-1]


def test_two_collectors_of_one_target_count_nothing_twice_and_lose_nothing(world: Receiving) -> None:
    fleet = Fleet(world)
    fleet.scrape(3)
    other = Receiving(world.folder / "other", world.database, world.clock)
    for turn in range(6):  # the sender goes from one to the other and back
        fleet.world = (other, world)[turn % 2]
        fleet.scrape()
    world.settle()
    assert requests(world) == 80
    assert world.conflicts() + other.conflicts() > 0


def test_a_server_that_is_read_does_not_leave_its_targets_to_what_is_pushed() -> None:
    labels = {"instance": "a:1", "job": "vllm"}
    pushed = TargetHealth("push:a:1/vllm", "0/push", "vllm", labels, 15.0, START)
    address = Address("a:1", "vllm")
    assert Claims().refused("0/prometheus:main", [address], [address], [pushed]) == {}
    scraped = replace(pushed, url="http://a:1/metrics", shard="0")
    assert address in Claims().refused("0/prometheus:main", [address], [address], [scraped])
