"""Which model calls are listed."""

from __future__ import annotations

from dashboard.debug import calls
from dashboard.debug.span import Span
from tests.dashboard.debug.world import busy, call
from tests.dashboard.world import CANARY, World


def _span(world: World, *, live: bool = True) -> Span:
    end = int(world.now) // 60 * 60
    return Span(end - 3600, end, 60, live)


def test_each_choice_lists_what_it_says_newest_first(world: World) -> None:
    busy(world)
    found = {name: calls.read(world.db, _span(world), {}, name).listed for name in ("all", "failed", "slow", "drawn")}
    assert len(found["all"]) == 13
    assert [one.at for one in found["all"]] == sorted((one.at for one in found["all"]), reverse=True)
    assert {one.outcome for one in found["failed"]} == {"bad"}
    assert {(one.outcome, one.goodput) for one in found["slow"]} == {("good", "bad")}
    assert [one.sampled for one in found["drawn"]] == [True]


def test_a_group_narrows_and_the_past_ends_where_it_ends(world: World) -> None:
    call(world, ago=30)
    call(world, ago=1800, trace_id="b" * 32)
    call(world, ago=1800, trace_id="c" * 32, group=(("model", "other"),))
    assert len(calls.read(world.db, _span(world), CANARY, "all").listed) == 2
    past = _span(world)._replace(end=int(world.now) - 600, live=False)
    assert [one.trace_id for one in calls.read(world.db, past, CANARY, "all").listed] == ["b" * 32]


def test_there_are_more_than_are_listed(world: World) -> None:
    for n in range(calls.LISTED + 1):
        call(world, ago=10.0 + n, span_id=f"{n:016x}")
    found = calls.read(world.db, _span(world), {}, "all")
    assert (len(found.listed), found.more) == (calls.LISTED, True)
