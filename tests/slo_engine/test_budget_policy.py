"""Alerts of a budget policy, and forecasts: when they begin and end, and what both ways of telling status say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.matchers import parse_matchers
from core.measures import Group, Measure
from core.recurrence import Recurrence
from storage import maintenance
from storage import slo as store
from storage.status_blocks import rows
from storage.tables import slo_status_block
from tests.slo_engine.script import Script
from tests.slo_engine.world import START, World, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M: Group = (("model", "m"),)
POLICY = ', burnline/budget-policy: "notify below 50%, ticket below 25%, freeze below -10%"'
QUIET = {"page": "false", "ticket": "false", "target": 99.0}


def asked(extra: str = POLICY, **changes: Any) -> str:
    return spec(extra=extra, **(QUIET | changes))


def lay(world: World, begin: int, minutes: int, good: int, bad: int = 0, group: Group = M, **how: Any) -> None:
    """So many requests in each minute from minute `begin` on."""
    times = range(START + begin * 60, START + (begin + minutes) * 60, 60)
    world.count(times, {(GOOD, group): good, (BAD, group): bad}, f"{begin} {group}", **how)


def tick(world: World, *minutes: int) -> None:
    for minute in minutes:
        world.tick(START + minute * 60)


def told(world: World) -> list[tuple[int, str, str]]:
    return [(round(one.at - START) // 60, one.severity, one.transition) for one in world.events("success")]


def test_an_alert_begins_below_each_level_and_its_labels_say_how_bad_it_is(world: World) -> None:
    lay(world, 0, 60, 1000)  # 600 may be bad
    lay(world, 60, 10, 900, 100)
    world.lead(asked())
    tick(world, *range(60, 70))
    # After k bad minutes 100 k of 600 + 10 k are spent: over a half at the 4th, over three quarters at the 5th.
    assert told(world) == [(64, "budget-info", "firing"), (65, "budget-ticket", "firing")]
    notify, ticket = world.events("success")
    assert (notify.labels["severity"], ticket.labels["severity"]) == ("info", "ticket")
    assert {one.labels["alertname"] for one in (notify, ticket)} == {"ErrorBudgetPolicy"}
    assert ticket.labels["model"] == "m"


def test_its_evidence_says_what_is_left_spent_and_when_it_is_gone(world: World) -> None:
    lay(world, 0, 60, 1000)
    lay(world, 60, 5, 900, 100)
    world.lead(asked())
    tick(world, 65)
    evidence = world.events("success")[-1].evidence
    assert (evidence["budget_below"], evidence["ends_above"]) == (0.25, 0.27)
    assert (evidence["spent"], evidence["allowed"], evidence["total"]) == (500, 650.0, 65_000)
    assert evidence["budget_remaining"] == round(1 - 500 / 650, 4)
    # The last hour burns 500 of its 600, the last 5 minutes 10 times too fast: 3/13 of 30 days ÷ 10 are 16 h 37 min.
    assert (evidence["exhausted_at"]["5m"], evidence["exhausted_at"]["1h"]) == ("2026-01-05T17:41:55Z", None)
    annotations = world.events("success")[-1].annotations
    assert annotations["summary"] == "success (model=m): the error budget is below 25 %: 23.1% is left."
    assert "500 of 65000 were bad in the budget's period. Budget gone at 2026-01-09T" in annotations["description"]


def test_it_ends_two_points_above_its_level_on_two_evaluations(world: World) -> None:
    lay(world, 0, 60, 990, 10)  # all is spent: 600 of 600
    lay(world, 60, 60, 1000)
    world.lead(asked(extra=', burnline/budget-policy: "ticket below 25%"'))
    tick(world, *range(60, 120))
    # After k good minutes 600 of 600 + 10 k: above a quarter from the 21st on, above 27 % from the 23rd on.
    assert told(world) == [(60, "budget-ticket", "firing"), (84, "budget-ticket", "resolved")]


def test_it_goes_on_while_too_little_is_seen(world: World) -> None:
    lay(world, 0, 60, 990, 10)
    lay(world, 60, 60, 1000, coverage=0.7)
    world.lead(asked())
    tick(world, 60, *range(100, 120))
    assert [transition for _, _, transition in told(world)] == ["firing", "firing"]


def test_nothing_is_said_of_a_budget_of_less_than_one_bad_event_or_that_is_blind(world: World) -> None:
    lay(world, 0, 9, 10, 1)  # 99 events allow 0.99 bad ones
    lay(world, 0, 30, 900, 100, (("model", "blind"),), coverage=0.4)
    world.lead(asked())
    tick(world, *range(1, 10))
    assert told(world) == []
    lay(world, 9, 1, 10, 1)
    tick(world, 10)
    assert [severity for _, severity, _ in told(world)] == ["budget-info", "budget-ticket"]


def test_a_policy_that_is_gone_ends_its_alerts(world: World) -> None:
    lay(world, 0, 62, 900, 100)
    world.lead(asked())
    tick(world, 60)
    world.lead(asked(extra=""))
    tick(world, 61)
    assert told(world)[2:] == [(61, "budget-info", "resolved"), (61, "budget-ticket", "resolved")]


def test_it_ends_when_the_targets_of_its_group_have_left(world: World) -> None:
    text = """
        slo success 99: requests
        scrape a 0:00-0:40 every 60 model=m: ok+1000 error+100
        leave a 0:40
        tick 0:10-1:00
    """
    script = Script(world)
    script.specs = {}
    lines = [line.strip() for line in text.strip().splitlines()]
    script.run("\n".join(lines[:1]))
    script.specs["success"] = asked()
    script.run("\n".join(lines[1:]))
    assert told(world)[-2:] == [(55, "budget-info", "resolved"), (55, "budget-ticket", "resolved")]


def test_nothing_begins_or_ends_while_the_minute_is_excluded(world: World) -> None:
    lay(world, 0, 60, 900, 100)
    when = Recurrence(datetime.fromisoformat("2026-01-05T00:50:00"), "UTC", 600.0)
    maintenance.add(world.db, parse_matchers("slo=success"), when, "planned", "ann", world.clock.now())
    world.lead(asked(extra=POLICY + ", burnline/exclude: maintenance"))
    tick(world, 55)
    assert told(world) == []


def test_with_a_calendar_the_whole_periods_budget_is_foretold_as_its_own_estimate_does(world: World) -> None:
    lay(world, 0, 60, 980, 20)
    rolling = "[{duration: 30d, isRolling: true}]"
    day = "[{duration: 1d, calendar: {startTime: '2026-01-05 00:00:00', timeZone: UTC}}]"
    world.lead(asked(extra="").replace(rolling, day).replace("isRolling: true", "isRolling: false"))
    tick(world, 60)
    row = world.status()
    # Twice as fast as it may since the day began: gone at noon, though of the events so far more is spent than may be.
    assert row["budget_remaining"] == -1.0
    assert row["period"]["exhausted_at"] == "2026-01-05T12:00:00Z"
    assert set(row["exhausted_at"].values()) == {"2026-01-05T12:00:00Z"}


def test_a_restart_goes_on_where_it_was(world: World) -> None:
    lay(world, 0, 70, 900, 100)
    world.lead(asked())
    tick(world, 60)
    world.lead()
    tick(world, 61, 62)
    assert len(told(world)) == 2
    alerts = {(one.severity, one.state) for one in store.alert_rows(world.db)}
    assert {("budget-info", "firing"), ("budget-ticket", "firing")} <= alerts


def test_its_state_is_that_of_its_burn_alerts(world: World) -> None:
    lay(world, 0, 60, 980, 20)
    world.lead(asked())
    tick(world, 60)
    row = world.status()
    assert (row["state"], row["budget_policy"]) == ("ok", {"notify": 0.5, "ticket": 0.25, "freeze": -0.1})


def test_status_names_the_freeze_that_holds_where_the_policy_names_none_and_nothing_without_a_policy(
    world: World,
) -> None:
    lay(world, 0, 2, 1000)
    world.lead(asked(extra=', burnline/budget-policy: "notify below 40%"'), asked(extra="", name="plain"))
    tick(world, 2)
    assert world.status()["budget_policy"] == {"notify": 0.4, "freeze": 0.0}
    assert "budget_policy" not in world.status("plain")


def five_groups(folder: Path, extra: str) -> dict[str, dict[str, Any]]:
    """The status of groups of which some have spent nothing, and one everything."""
    folder.mkdir()
    world = World(folder)
    for at, bad in enumerate((0, 1, 30, 50, 200)):
        lay(world, 0, 50, 1000, group=(("model", f"m{at}"),))
        lay(world, 50, 10, 1000 - bad, bad, (("model", f"m{at}"),))
    world.lead(asked(extra))
    tick(world, 60)
    return {one["group"]["model"]: one for one in store.status(world.db)}


@pytest.mark.parametrize("extra", ["", POLICY])
def test_columns_and_rows_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    in_columns = five_groups(tmp_path / "columns", extra)
    monkeypatch.setattr("slo_engine.evaluation.Evaluation.alike", False)
    assert five_groups(tmp_path / "rows", extra) == in_columns
    assert in_columns["m2"]["exhausted_at"]["30m"] is None  # a burn of exactly 1: it lasts
    assert in_columns["m4"]["exhausted_at"]["3d"] == "2026-01-05T01:00:00Z"  # spent already
    assert in_columns["m0"]["exhausted_at"] == dict.fromkeys(in_columns["m0"]["burn_rates"])


def test_groups_above_their_levels_stay_in_columns(world: World) -> None:
    for name, bad in (("low", 20), ("high", 1)):
        lay(world, 0, 60, 1000 - bad, bad, (("model", name),))
    world.lead(asked())
    tick(world, 60)
    assert in_blocks(world) == {'{"model":"high"}'}


def in_blocks(world: World) -> set[str]:
    with world.db.read() as connection:
        return {key for (blob,) in connection.execute(select(slo_status_block.c.content)) for key, _ in rows(blob)}
