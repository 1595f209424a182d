"""Composites in the engine: one alert for all of their components, and never silence for want of one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import ConfigError
from core.matchers import parse_matchers
from core.measures import Measure
from core.recurrence import Recurrence
from slo_engine.history import history
from storage import maintenance, slo_sets
from tests.slo_engine.world import START, World, source

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
TTFT = Measure("ttft", "engine", bounds=(0.5, 1.0))
M, N = (("model", "m"),), (("model", "n"),)
HOUR = 3600

COMPOSITE = """\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: journey, annotations: {{{annotations}}}}}
spec:
  description: Chat answers, and soon.
  service: chat
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives:
    - displayName: answers
      targetPercent: 99
      compositeWeight: {weight}
      indicator:
        metadata: {{name: answers}}
        spec: {{ratioMetric: {{counter: true, bad: {bad}, total: {total}}}}}
    - displayName: soon
      targetPercent: 99
      op: lte
      value: 0.5
      indicator:
        metadata: {{name: soon}}
        spec: {{thresholdMetric: {ttft}}}
"""


def journey(weight: str = "1", by: str = "[model]", annotations: str = "") -> str:
    """A composite of requests that end well, and first tokens within half a second."""
    return COMPOSITE.format(
        weight=weight,
        annotations=annotations,
        bad=source(f"signal: requests, where: 'outcome=\"bad\"', by: {by}"),
        total=source(f"signal: requests, by: {by}"),
        ttft=source("signal: ttft, by: [model]"),
    )


def traffic(
    world: World, start: int, minutes: int, group: tuple[tuple[str, str], ...] = M, bad: int = 0, slow: int = 0
) -> None:
    """1000 requests a minute, of which so many fail, and as many first tokens, of which so many are late."""
    span = range(start, start + minutes * 60, 60)
    answers = {(GOOD, group): 1000 - bad, (BAD, group): bad}
    world.count(span, {**answers, (TTFT, group): {0: 1000 - slow, 1: slow}}, f"{group}")


def test_one_component_that_burns_pages_for_the_composite_and_for_nothing_else(world: World) -> None:
    traffic(world, START, 60, bad=300)
    world.lead(journey())
    world.tick(START + HOUR)
    assert "1:00 firing page journey{model=m}" in world.told()
    assert {event.slo for event in world.events()} == {"journey"}
    row = world.status("journey")
    assert (row["state"], row["burn_rates"]["1h"], row["reason"]) == ("firing", 30.0, None)
    assert (row["good"], row["total"], row["sli"], row["objective"]) == (None, None, None, None)
    assert [(one["slo"], one["weight"], one["burn_rates"]["1h"]) for one in row["components"]] == [
        ("journey-answers", 1.0, 30.0),
        ("journey-soon", 1.0, 0.0),
    ]


def test_the_alert_says_which_component_burns(world: World) -> None:
    traffic(world, START, 60, bad=300, slow=10)
    world.lead(journey())
    world.tick(START + HOUR)
    event = next(one for one in world.events("journey") if one.severity == "page")
    burns = "journey-answers burns at 30 (weight 1), journey-soon burns at 1 (weight 1)"
    assert event.annotations["description"].startswith(f"Over 1h {burns}.")
    assert event.evidence["components"][0]["slo"] == "journey-answers"
    assert "bad_events" not in event.evidence


def test_burn_rates_add_up_each_times_its_weight(world: World) -> None:
    traffic(world, START, 60, bad=20, slow=10)
    world.lead(journey(weight="0.5"))
    world.tick(START + HOUR)
    row = world.status("journey")
    assert row["burn_rates"]["1h"] == 0.5 * 2 + 1
    assert row["budget_remaining"] == 1 - (0.5 * 2 + 1)
    assert row["exhausted_at"]["1h"] == "2026-01-05T01:00:00Z"


def test_components_that_are_each_within_their_budget_can_spend_that_of_the_composite(world: World) -> None:
    traffic(world, START, 60, bad=80, slow=80)
    world.lead(journey())
    world.tick(START + HOUR)
    assert world.status("journey")["state"] == "firing"  # 8 + 8 is above 14.4
    assert {one["burn_rates"]["1h"] for one in world.status("journey")["components"]} == {8.0}


def test_a_component_without_data_leaves_it_unknown_and_says_so(world: World) -> None:
    world.count(range(START, START + HOUR, 60), {(GOOD, M): 1000})
    world.lead(journey())
    world.tick(START + HOUR)
    row = world.status("journey")
    assert row["state"] == "no_data"
    assert row["reason"].startswith("partial: nothing is known of journey-soon")
    assert world.told() == []


def test_what_burns_pages_although_another_component_is_unknown(world: World) -> None:
    world.count(range(START, START + HOUR, 60), {(GOOD, M): 500, (BAD, M): 500})
    world.lead(journey())
    world.tick(START + HOUR)
    assert "1:00 firing page journey{model=m}" in world.told()


def test_a_firing_composite_does_not_end_while_a_component_is_unknown(world: World) -> None:
    traffic(world, START, 60, bad=300)
    world.lead(journey())
    world.tick(START + HOUR)
    after = range(START + HOUR, START + 3 * HOUR, 60)
    world.count(after, {(GOOD, M): 0}, f"{M}", coverage=0.0)
    for minute in range(START + 2 * HOUR, START + 3 * HOUR, 300):
        world.tick(minute)
    assert world.status("journey", model="m")["state"] == "firing"
    assert "resolved" not in str(world.told())


def test_a_component_that_is_idle_burns_nothing(world: World) -> None:
    traffic(world, START, 60)
    world.count(range(START + HOUR, START + 2 * HOUR, 60), {(GOOD, M): 0, (TTFT, M): {0: 1000}}, f"{M}")
    world.lead(journey())
    world.tick(START + 2 * HOUR)
    row = world.status("journey")
    assert (row["state"], row["burn_rates"]["1h"]) == ("ok", 0.0)


def test_each_group_is_judged_by_itself(world: World) -> None:
    traffic(world, START, 60, M, bad=300)
    traffic(world, START, 60, N)
    world.lead(journey())
    world.tick(START + HOUR)
    assert world.status("journey", model="m")["state"] == "firing"
    assert world.status("journey", model="n")["state"] == "ok"


def test_components_of_other_groups_meet_in_the_labels_that_all_have(world: World) -> None:
    for version, bad in (("1", 300), ("2", 0)):
        group = (("model", "m"), ("version", version))
        traffic(world, START, 60, group, bad=bad)
    world.lead(journey(by="[model, version]"))
    world.tick(START + HOUR)
    row = world.status("journey")
    assert (row["group"], row["burn_rates"]["1h"]) == ({"model": "m"}, 15.0)


def test_four_bad_requests_page_nobody(world: World) -> None:
    world.count(range(START, START + HOUR, 60), {(TTFT, M): {0: 1}}, "tokens")
    world.count([START + HOUR - 60], {(BAD, M): 4}, "requests")
    world.lead(journey())
    world.tick(START + HOUR)
    assert world.told() == []
    assert world.status("journey")["burn_rates"]["1h"] == 100.0


def test_a_composite_that_nothing_counts_for_has_one_row_with_the_reason(world: World) -> None:
    world.lead(journey())
    world.tick(START + HOUR)
    assert world.status("journey")["reason"] == "no counts yet: no target carries the series of any component"


def test_an_alert_goes_on_over_a_new_leader(world: World) -> None:
    traffic(world, START, 60, bad=300)
    world.lead(journey())
    world.tick(START + HOUR)
    before = world.told()
    traffic(world, START + HOUR, 1, bad=300)
    world.lead(holder="one")
    world.tick(START + HOUR + 60)
    assert world.told() == before


def test_its_budget_can_be_reset_without_those_of_its_components(world: World) -> None:
    traffic(world, START, 60, bad=300)
    world.lead(journey())
    slo_sets.reset(world.db, "journey", None, START + HOUR, "ann", "a proxy lied", START + HOUR)
    traffic(world, START + HOUR, 5)
    world.tick(START + HOUR + 300)
    row = world.status("journey")
    assert (row["budget_remaining"], row["reset_reason"]) == (1.0, "a proxy lied")
    assert row["burn_rates"]["1h"] > 20
    assert world.status("journey-answers")["budget_remaining"] < 0


def test_while_a_component_is_excluded_no_alert_begins(world: World) -> None:
    traffic(world, START, 30)
    traffic(world, START + HOUR // 2, 30, bad=900)
    begin = datetime.fromtimestamp(START + HOUR // 2, UTC).replace(tzinfo=None)
    when = Recurrence(begin, "UTC", 2.0 * HOUR, None)
    maintenance.add(world.db, parse_matchers("slo=~journey.*"), when, "upgrade", "ann", world.clock.now())
    world.lead(journey(annotations="burnline/exclude: maintenance"))
    world.tick(START + HOUR)
    row = world.status("journey")
    assert (row["state"], row["burn_rates"]["1h"]) == ("no_data", 0.0)
    assert row["reason"].endswith("excluded now, so no alert begins or ends")
    assert world.told() == []


def test_its_own_history_is_that_of_its_components(world: World) -> None:
    traffic(world, START, 5)
    world.lead(journey())
    whole = next(slo for slo in world.slos if slo.name == "journey")
    with pytest.raises(ConfigError, match="counts nothing itself: ask for journey-answers or journey-soon"):
        history(world.db, whole, START, START + 300, 60, {})
