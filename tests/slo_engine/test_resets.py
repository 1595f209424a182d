"""Budgets that count anew from a minute on, and edits that must not do that."""

from __future__ import annotations

from core.measures import Measure
from storage import slo_sets
from tests.slo_engine.world import START, World, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M, N = (("model", "m"),), (("model", "n"),)
HOUR = 3600


def outage(world: World) -> int:
    """Ten minutes of nothing but errors in both groups, at the end of three hours; the end."""
    for group in (M, N):
        world.count(range(START, START + 3 * HOUR, 60), {(GOOD, group): 100, (BAD, group): 0}, f"{group}")
        burst = range(START + 3 * HOUR - 600, START + 3 * HOUR, 60)
        world.count(burst, {(GOOD, group): 0, (BAD, group): 100}, f"{group}")
    world.lead(spec(target=99))
    end = START + 3 * HOUR
    world.tick(end)
    return end


def reset(world: World, at: float, group: str | None = None) -> None:
    slo_sets.reset(world.db, "success", group, at, "ann", "a proxy lied", at)


def test_a_reset_counts_from_its_minute_on_and_says_why(world: World) -> None:
    end = outage(world)
    assert world.status(model="m")["budget_remaining"] < 0
    reset(world, end + 30.0)
    world.count(range(end, end + 300, 60), {(GOOD, M): 100, (BAD, M): 0}, f"{M}")
    world.tick(end + 300)
    row = world.status(model="m")
    assert (row["budget_remaining"], row["total"]) == (1.0, 500)
    assert (row["reset_at"], row["reset_reason"]) == ("2026-01-05T03:00:30Z", "a proxy lied")


def test_a_reset_of_one_group_leaves_the_others(world: World) -> None:
    end = outage(world)
    reset(world, float(end), '{"model":"m"}')
    world.tick(end + 60)
    assert world.status(model="m")["reset_at"] is not None
    other = world.status(model="n")
    assert other["budget_remaining"] < 0
    assert (other["reset_at"], other["reset_reason"]) == (None, None)


def test_a_reset_ends_no_alert_and_leaves_the_burn_rates(world: World) -> None:
    end = outage(world)
    before = world.status(model="m")["burn_rates"]
    assert world.status(model="m")["state"] == "firing"
    told = len(world.events())
    reset(world, float(end))
    world.count([end], {(GOOD, M): 100}, f"{M}")
    world.tick(end + 60)
    after = world.status(model="m")
    assert after["state"] == "firing"
    assert len(world.events()) == told
    assert after["burn_rates"]["1h"] > 0.8 * before["1h"]


def test_the_newest_reset_counts_and_one_before_the_window_is_forgotten(world: World) -> None:
    end = outage(world)
    reset(world, float(end - 1200))
    reset(world, float(end - 300))
    world.tick(end + 60)
    assert world.status(model="m")["total"] == 500
    world.lead(spec(target=99, window="1d"))
    world.tick(end + 2 * 86_400)
    assert world.status(model="m")["reset_at"] is None


def test_a_softer_objective_leaves_a_spent_budget_spent(world: World) -> None:
    end = outage(world)
    spent = world.status(model="m")["budget_remaining"]
    world.clock.set(float(end))
    world.lead(spec(target=50))
    world.tick(end + 60)
    assert world.status(model="m")["budget_remaining"] == spent < 0
