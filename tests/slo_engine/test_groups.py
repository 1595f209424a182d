"""Targets of some groups: judged, shown and remembered as theirs."""

from __future__ import annotations

from fractions import Fraction

import pytest

from core.measures import Group, Measure
from slo_engine.backtest import backtest
from slo_engine.burn import Revision
from slo_engine.groups import override_of
from slo_engine.specs.model import Override
from storage import slo as store
from tests.slo_engine.world import START, World, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
A: Group = (("model", "a"),)
B: Group = (("model", "b"),)


def overridden(*overrides: str, target: float = 99.9) -> str:
    numbered = "".join(f", burnline/override-{n}: '{text}'" for n, text in enumerate(overrides, 1))
    return spec(target=target, extra=numbered)


def laid(world: World) -> World:
    for group in (A, B):
        world.count(range(START, START + 3600, 60), {(GOOD, group): 995, (BAD, group): 5}, str(group))
    return world


def test_each_group_is_judged_by_its_own_target(world: World) -> None:
    laid(world).lead(overridden('model="a": 99'))
    world.tick(START + 3600)
    a, b = world.status(model="a"), world.status(model="b")
    assert (a["objective"], a["override"], a["budget_remaining"]) == (0.99, 'model="a"', pytest.approx(0.5))
    assert (b["objective"], b.get("override"), b["budget_remaining"]) == (0.999, None, pytest.approx(-4))
    assert (a["state"], b["state"]) == ("ok", "firing")
    assert {one.group_key for one in world.events("success")} == {'{"model":"b"}'}
    assert all(one.evidence["objective"] == 0.999 for one in world.events("success"))


def test_a_low_target_of_a_group_takes_the_table_of_low_targets(world: World) -> None:
    for group in (A, B):
        world.count(range(START, START + 3600, 60), {(GOOD, group): 60, (BAD, group): 40}, str(group))
    world.lead(overridden('model="a": 90'))
    world.tick(START + 3600)
    events = {one.group_key: one.evidence["condition"] for one in world.events("success") if one.severity == "page"}
    assert events['{"model":"a"}']["factor"] == 3.6
    assert events['{"model":"b"}']["factor"] == 14.4


def test_what_a_group_was_allowed_is_summed_by_what_was_in_force_for_it(world: World) -> None:
    laid(world)
    for group in (A, B):
        world.count(range(START + 3600, START + 7200, 60), {(GOOD, group): 990, (BAD, group): 10}, str(group))
    world.clock.set(START)
    world.lead(overridden('model="a": 99', target=95))
    world.clock.set(START + 3600)
    world.lead(overridden('model="a": 98', target=96))
    world.tick(START + 7200)
    # 60,000 requests in each hour: 900 bad of 600 + 1200 allowed in a, of 3000 + 2400 in b.
    assert world.status(model="a")["budget_remaining"] == pytest.approx(1 - 900 / 1800)
    assert world.status(model="b")["budget_remaining"] == pytest.approx(1 - 900 / 5400)
    world.lead()
    world.tick(START + 7260)
    assert [one.overrides for one in store.revisions(world.db)] == [
        (('model="a"', "99/100"),),
        (('model="a"', "49/50"),),
    ]


def test_the_first_override_that_fits_wins() -> None:
    from core.matchers import parse_matchers

    overrides = tuple(
        Override(parse_matchers(where), Fraction(goal, 100)) for where, goal in (("model=a", 90), ("model=~.+", 80))
    )
    assert override_of(overrides, A) == overrides[0]
    assert override_of(overrides, B) == overrides[1]
    assert override_of(overrides, ()) is None
    assert Revision(5.0, Fraction(1, 1000), overrides).of(A) == Revision(5.0, Fraction(1, 10))
    assert Revision(5.0, Fraction(1, 1000), overrides).of(()) == Revision(5.0, Fraction(1, 1000))


def test_a_backtest_judges_groups_by_their_own_targets_too(world: World) -> None:
    laid(world).lead(overridden('model="a": 99'))
    world.tick(START + 3600)
    told = [(one.group_key, one.severity, one.transition) for one in world.events("success")]
    found = backtest(world.db, world.slos, [START + 3600], {})
    assert [(one.group_key, one.severity, one.transition) for one in found] == told
