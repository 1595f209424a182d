"""Excluded time: what it leaves out, that nothing begins or ends in it, and that it is told wherever it counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.matchers import parse_matchers
from core.measures import Group, Measure
from core.recurrence import Recurrence
from slo_engine.backtest import backtest
from slo_engine.book import Account, Counts
from slo_engine.exclusions.counts import NetAccount
from slo_engine.exclusions.schedule import Schedule, concerns, spans_of
from storage import deployments, maintenance
from storage.deployments import Deployment
from storage.maintenance import Maintenance
from tests.slo_engine.world import START, World, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M: Group = (("model", "m"),)
HOUR = 3600


def careful(exclude: str = "maintenance", target: float = 99.0, **changes: str) -> str:
    return spec(target=target, extra=f", burnline/exclude: '{exclude}'", **changes)  # type: ignore[arg-type] # texts


def announce(world: World, begin: int, end: int, matchers: str = "slo=success", rule: str | None = None) -> str:
    local = datetime.fromtimestamp(begin, UTC).replace(tzinfo=None)
    when = Recurrence(local, "UTC", float(end - begin), rule)
    return maintenance.add(world.db, parse_matchers(matchers), when, "upgrade", "ann", world.clock.now())


def traffic(world: World, begin: int, end: int, good: int, bad: int) -> None:
    world.count(range(begin, end, 60), {(GOOD, M): good, (BAD, M): bad}, f"at {begin}")


def told(world: World) -> list[tuple[int, str, str]]:
    return [(round(one.at - START) // 60, one.severity, one.transition) for one in world.events("success")]


def test_what_fires_does_not_end_because_its_time_is_excluded_and_ends_afterwards(world: World) -> None:
    traffic(world, START, START + 30 * 60, 50, 50)
    traffic(world, START + 30 * 60, START + 2 * HOUR, 100, 0)
    announce(world, START + 30 * 60, START + HOUR)
    world.lead(careful(ticket="false"))
    for minute in range(START + 20 * 60, START + 2 * HOUR, 60):
        world.tick(minute)
        row = world.status()
        if START + 30 * 60 < minute <= START + HOUR:
            assert row["state"] == "firing"
            assert "excluded now, so no alert begins or ends (maintenance: upgrade)" in row["reason"]
    assert [(severity, transition) for _, severity, transition in told(world)] == [
        ("page", "firing"),
        ("page", "resolved"),
    ]
    assert told(world)[1][0] > 60


def test_an_alert_tells_how_much_of_its_windows_is_excluded(world: World) -> None:
    traffic(world, START, START + HOUR, 0, 100)
    announce(world, START, START + 20 * 60)
    world.lead(careful())
    world.tick(START + 40 * 60)
    assert {one.evidence["excluded_minutes"]["1h"] for one in world.events("success")} == {20}
    assert {one.evidence["bad_events"]["1h"] for one in world.events("success")} == {2000}


def test_maintenance_that_is_announced_late_takes_back_what_was_counted(world: World) -> None:
    traffic(world, START, START + HOUR, 0, 100)
    traffic(world, START + HOUR, START + 2 * HOUR, 100, 0)
    world.lead(careful())
    world.tick(START + HOUR)
    assert world.status()["budget_remaining"] == pytest.approx(-99)
    world.clock.set(START + 2 * HOUR)
    announce(world, START, START + HOUR)
    world.tick(START + 2 * HOUR)
    row = world.status()
    assert (row["budget_remaining"], row["total"], row["excluded_total"], row["excluded_minutes"]) == (
        1,
        6000,
        6000,
        60,
    )


def test_what_was_excluded_counts_again_when_an_slo_excludes_less(world: World) -> None:
    traffic(world, START, START + HOUR, 100, 0)
    deployments.add(world.db, Deployment(0, START + 30 * 60, "m", "v2", None, None, "", "ann", START))
    world.lead(careful("deployments 20m"))
    world.tick(START + HOUR)
    row = world.status()
    assert (row["total"], row["excluded_minutes"]) == (4000, 20)
    assert "20 min are excluded (deployment of v2)" in row["reason"]
    world.lead(careful("deployments 5m"))
    world.tick(START + HOUR + 60)
    assert (world.status()["total"], world.status()["excluded_minutes"]) == (5500, 5)
    world.lead(spec(target=99.0))
    world.tick(START + HOUR + 120)
    assert (world.status()["total"], world.status().get("excluded_minutes")) == (6000, None)


def test_ended_maintenance_excludes_no_more(world: World) -> None:
    traffic(world, START, START + HOUR, 100, 0)
    world.clock.set(START)
    key = announce(world, START, START + HOUR)
    world.lead(careful())
    world.tick(START + 10 * 60)
    maintenance.end(world.db, key, "bob", float(START + 10 * 60))
    world.tick(START + 30 * 60)
    row = world.status()
    assert (row["excluded_minutes"], row["total"]) == (10, 2000)


def test_only_groups_that_fit_and_slos_that_say_so_leave_anything_out(world: World) -> None:
    other: Group = (("model", "other"),)
    for group in (M, other):
        world.count(range(START, START + HOUR, 60), {(GOOD, group): 10}, str(group))
    announce(world, START, START + HOUR, "model=m")
    world.lead(careful(), spec(name="plain"))
    world.tick(START + HOUR)
    assert world.status("success", model="m")["excluded_minutes"] == 60
    assert world.status("success", model="other")["excluded_minutes"] == 0
    assert "excluded_minutes" not in world.status("plain", model="m")
    assert world.status("plain", model="m")["total"] == 600


def test_a_rule_excludes_each_of_its_times(world: World) -> None:
    traffic(world, START, START + 5 * HOUR, 10, 0)
    announce(world, START, START + 600, rule="FREQ=HOURLY;INTERVAL=2")
    world.lead(careful())
    world.tick(START + 5 * HOUR)
    world.tick(START + 5 * HOUR + 60)
    assert world.status()["excluded_minutes"] == 30


def test_a_backtest_leaves_out_what_the_engine_left_out(world: World) -> None:
    traffic(world, START, START + 30 * 60, 100, 0)
    traffic(world, START + 30 * 60, START + 90 * 60, 0, 100)
    announce(world, START + 30 * 60, START + HOUR)
    world.lead(careful())
    minutes = range(START + 20 * 60, START + 90 * 60, 60)
    for minute in minutes:
        world.tick(minute)
    assert min(at for at, _, _ in told(world)) == 61
    found = backtest(world.db, world.slos, minutes, {})
    assert [(round(one.minute - START) // 60, one.severity, one.transition) for one in found] == told(world)


def test_a_deployment_concerns_groups_from_which_no_label_keeps_it() -> None:
    one = Deployment(1, 0.0, "m", "v2", None, None, "", "ann", 0.0)
    assert concerns(one, {"model": "m"})
    assert concerns(one, {"model": "m", "version": "v2", "region": "eu"})
    assert not concerns(one, {"model": "m", "version": "v1"})
    assert not concerns(one, {"model": "n"})


def test_a_minute_that_is_touched_is_excluded_whole() -> None:
    begin = datetime.fromtimestamp(START + 90, UTC).replace(tzinfo=None)
    found = Maintenance("1", (), Recurrence(begin, "UTC", 60.0), "x", "a", 0.0)
    (span,) = spans_of([found], START, START + HOUR)
    assert (span.start, span.end) == (START + 60, START + 180)
    assert Schedule((span,)).minutes([]) == {START + 60, START + 120}


class Said(Account):
    """Says so many events of every window."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self._total = total

    def window(self, start: float, end: int) -> Counts:
        return Counts(part=self._total, total=self._total, expected=60_000, covered=60_000)


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_net_account_and_what_is_left_out_make_the_whole(kept: int, excluded: int) -> None:
    whole, out = Said(kept + excluded), Said(excluded)
    net = NetAccount(whole, out)
    assert net.window(60, 240) == Counts(part=kept, total=kept)
    assert net.window(60, 240).plus(out.window(60, 240)) == whole.window(60, 240)
