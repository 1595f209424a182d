"""The last hour as the ledger has it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.measures import TARGET_TIME, Group, Measure
from dashboard.filters import Filters, from_query
from dashboard.ledger import Tally, Traffic, TrafficReader, lines
from storage.ledger import cells, rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import RowKey, SourceFlush
from tests.dashboard.world import BOUNDS, CANARY, STABLE, World

BY = ("version", "region")
V1: Group = tuple(sorted(STABLE.items()))
V2: Group = tuple(sorted(CANARY.items()))


def _put(world: World, source: str, bucket: int, content: Mapping[tuple[Atom, int], int]) -> None:
    mark = rows.open_source(world.db, "scrape", source, world.now)
    rows.commit(world.db, Dictionary(), [SourceFlush(mark, b"", {RowKey(60, bucket): dict(content)})], world.now)
    with world.db.write() as connection:
        rollups.store(connection, rollups.compute(connection))


def _requests(layer: str, group: Group = V1, outcome: str = "good") -> Atom:
    return Atom(Measure("requests", layer, (("outcome", outcome),)), group)


def _only(traffic: Traffic) -> list[Tally]:
    return [tally for minute in traffic.tallies.values() for tally in minute.values()]


def test_an_hour_of_whole_minutes_ends_at_the_watermark(world: World) -> None:
    traffic = TrafficReader(world.db).read(7265.0)
    assert (traffic.minutes[0], traffic.minutes[-1], len(traffic.minutes)) == (3660, 7200, 60)
    assert TrafficReader(world.db).read(None) == Traffic()


def test_what_a_client_aborted_is_neither_good_nor_bad(world: World) -> None:
    content = {(_requests("engine", outcome=o), 0): n for o, n in (("good", 57), ("bad", 3), ("excluded", 40))}
    _put(world, "a", 6000, content)
    (tally,) = _only(TrafficReader(world.db).read(7265.0))
    assert (tally.rate, tally.bad_share) == (1.0, 0.05)


def test_a_signal_counts_in_its_outermost_layer_also_when_that_appears_later(world: World) -> None:
    reader = TrafficReader(world.db)
    _put(world, "engine", 6000, {(_requests("engine"), 0): 10})
    assert [tally.total for tally in _only(reader.read(7265.0))] == [10]
    _put(world, "gateway", 6060, {(_requests("gateway"), 0): 7})
    assert [tally.total for tally in _only(reader.read(7265.0))] == [7]


def test_a_late_count_changes_a_minute_that_was_read_before(world: World) -> None:
    reader = TrafficReader(world.db)
    _put(world, "a", 6000, {(_requests("engine"), 0): 10})
    reader.read(7265.0)
    _put(world, "b", 6000, {(_requests("engine"), 0): 5})
    assert [tally.total for tally in _only(reader.read(7265.0))] == [15]


def test_a_minute_is_decoded_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = TrafficReader(world.db)
    _put(world, "a", 6000, {(_requests("engine"), 0): 10})
    first = reader.read(7265.0)
    monkeypatch.setattr(cells, "decode", None)
    assert reader.read(7265.0) == first


def test_target_time_of_a_selector_is_not_that_of_the_signals(world: World) -> None:
    own = Atom(Measure(TARGET_TIME, "engine", (("state", "expected"),)), V1)
    other = Atom(Measure(TARGET_TIME, "engine", (("of", "selector:x"), ("state", "expected"))), V1)
    _put(world, "a", 6000, {(_requests("engine"), 0): 10, (own, 0): 60_000, (other, 0): 9})
    (tally,) = _only(TrafficReader(world.db).read(7265.0))
    assert tally.expected == 60_000


@pytest.mark.parametrize(
    ("tally", "rate"),
    [
        (Tally(good=60, expected=100, covered=50), 1.0),
        (Tally(good=60, expected=100, covered=49), None),
        (Tally(expected=100, covered=100), 0.0),
        (Tally(good=60), 1.0),
        (Tally(), None),
    ],
)
def test_a_rate_is_known_only_where_enough_was_seen(tally: Tally, rate: float | None) -> None:
    assert tally.rate == rate


def test_what_did_not_happen_has_no_share_and_no_quantile() -> None:
    assert Tally().bad_share is None
    assert Tally().ttft_quantile(0.95) is None
    assert Tally(ttft={BOUNDS: [0] * 7}).ttft_quantile(0.95) is None


def test_histograms_of_different_bounds_meet_where_they_coincide() -> None:
    tally = Tally(ttft={(0.5, 1.0): [10, 0, 0], (0.25, 1.0): [0, 10, 0]})
    assert tally.ttft_quantile(1.0) == 1.0
    assert tally.ttft_quantile(0.5) == 0.5


def test_adding_groups_adds_cells() -> None:
    sum_ = Tally(good=1, ttft={(1.0,): [1, 0]})
    sum_.add(Tally(bad=2, ttft={(1.0,): [0, 3], (2.0,): [4, 0]}))
    assert sum_ == Tally(1, 2, 0, 0, {(1.0,): [1, 3], (2.0,): [4, 0]})


def test_lines_are_the_busiest_groups_and_say_how_many_there_are() -> None:
    tenants = [(*V1, ("tenant", "a")), (*V1, ("tenant", "b")), V2]
    traffic = Traffic((0, 60), {0: {group: Tally(good=n) for n, group in enumerate(tenants, 1)}})
    drawn, known = lines(traffic, BY, Filters(), most=1)
    assert known == 2
    assert [(dict(line.group), line.total) for line in drawn] == [({"version": "v1", "region": "eu-west"}, 3)]
    assert [tally.total if tally else None for tally in drawn[0].tallies] == [3, None]
    assert lines(traffic, BY, from_query({"tenant": "b", "version": "v1"}), most=9)[0][0].total == 2
