"""Conditions of an SLO's own: they replace the burn table, hold, and tell of what is not known."""

from __future__ import annotations

from core.measures import Group, Measure
from slo_engine.backtest import backtest
from storage import slo as store
from tests.slo_engine.world import START, World, spec

GOOD = Measure("requests", "engine", (("outcome", "good"), ("reason", "stop")))
BAD = Measure("requests", "engine", (("outcome", "bad"), ("reason", "error")))
M: Group = (("model", "m"),)


def condition(severity: str, text: str, when: str = "alertWhenBreaching: true") -> str:
    burn = f"{{severity: {severity}, condition: {{kind: burnrate, {text}}}}}"
    inline = f"kind: AlertCondition, metadata: {{name: c}}, spec: {burn}"
    target = "{kind: AlertNotificationTarget, metadata: {name: t}, spec: {target: x}}"
    body = f"{when}, conditions: [{{{inline}}}], notificationTargets: [{target}]"
    return f"{{kind: AlertPolicy, metadata: {{name: p-{severity}}}, spec: {{{body}}}}}"


def with_policies(*policies: str, **changes: str) -> str:
    return spec(target=99.0, **changes) + f"  alertPolicies: [{', '.join(policies)}]\n"  # type: ignore[arg-type] # texts


def laid(world: World, share: int, minutes: int = 60) -> World:
    """An hour of good requests, then so many bad ones of 1000 a minute."""
    world.count(range(START, START + 3600, 60), {(GOOD, M): 1000}, "before")
    bad = {(GOOD, M): 1000 - share, (BAD, M): share}
    world.count(range(START + 3600, START + 3600 + minutes * 60, 60), bad, "after")
    return world


def run(world: World, text: str, minutes: int) -> list[tuple[int, str, str]]:
    world.lead(text)
    for minute in range(START + 3600, START + 3600 + minutes * 60, 60):
        world.tick(minute)
    return [(round(one.at - START - 3600) // 60, one.severity, one.transition) for one in world.events("success")]


def test_the_conditions_of_an_slo_replace_the_burn_table(world: World) -> None:
    text = with_policies(condition("critical", "op: gt, threshold: 2, lookbackWindow: 10m"))
    # 4 % of 1000 are bad: the ten minutes burn 0.4 for each bad one, more than 2 from the sixth on.
    assert run(laid(world, 40), text, 20) == [(6, "page", "firing")]
    assert list(world.status()["burn_rates"]) == ["10m"]
    (event,) = world.events("success")
    assert event.evidence["condition"] == {"long": "10m", "short": "10m", "factor": 2.0}


def test_gte_fires_at_the_factor_itself(world: World) -> None:
    text = with_policies(condition("page", "op: gte, threshold: 2, lookbackWindow: 10m"))
    assert run(laid(world, 40), text, 20) == [(5, "page", "firing")]


def test_alert_after_waits_and_what_ends_meanwhile_is_cleared(world: World) -> None:
    text = with_policies(condition("page", "op: gt, threshold: 2, lookbackWindow: 10m, alertAfter: 5m"))
    assert run(laid(world, 40), text, 20) == [(6, "page", "pending"), (11, "page", "firing")]


def test_a_short_burst_never_fires_after_its_hold(world: World) -> None:
    text = with_policies(condition("page", "op: gt, threshold: 2, lookbackWindow: 2m, alertAfter: 10m"))
    laid(world, 100, 3)
    world.count(range(START + 3780, START + 5400, 60), {(GOOD, M): 1000}, "later")
    assert [transition for _, _, transition in run(world, text, 20)] == ["pending", "cleared"]


def test_page_and_ticket_have_rows_of_their_own_and_a_backtest_repeats_them(world: World) -> None:
    text = with_policies(
        condition("page", "op: gt, threshold: 3, lookbackWindow: 10m, alertAfter: 2m"),
        condition("minor", "op: gt, threshold: 1, lookbackWindow: 1h"),
    )
    told = run(laid(world, 40), text, 40)
    assert told == [(8, "page", "pending"), (10, "page", "firing"), (16, "ticket", "firing")]
    found = backtest(world.db, world.slos, range(START + 3600, START + 6000, 60), {})
    assert [(round(one.minute - START - 3600) // 60, one.severity, one.transition) for one in found] == told


def test_a_changed_policy_begins_a_revision(world: World) -> None:
    world.lead(spec(target=99.0))
    world.lead(with_policies(condition("page", "op: gt, threshold: 3, lookbackWindow: 10m, alertAfter: 2m")))
    assert len(store.revisions(world.db)) == 2


NO_DATA = condition("page", "op: gt, threshold: 3, lookbackWindow: 10m, alertAfter: 10m", "alertWhenNoData: true")


def no_data(world: World) -> list[tuple[int, str, str, str]]:
    found = [one for one in world.events() if one.labels["alertname"] == "SloNoData"]
    return [(round(one.at - START) // 60, one.severity, one.transition, one.labels["slo"]) for one in found]


def test_an_slo_of_which_nothing_is_known_any_more_opens_a_ticket_if_it_asks_for_it(world: World) -> None:
    world.count(range(START, START + 1800, 60), {(GOOD, M): 10}, "seen")
    world.count(range(START + 1800, START + 3600, 60), {(GOOD, M): 0}, "unseen", coverage=0.0)
    world.count(range(START + 3600, START + 4200, 60), {(GOOD, M): 10}, "again")
    world.lead(with_policies(NO_DATA), spec(name="other"))
    for minute in range(START + 1200, START + 4200, 60):
        world.tick(minute)
    # The shortest window is 5m: nothing is known of it from 0:35 on, for ten minutes.
    assert no_data(world) == [
        (35, "ticket", "pending", "success"),
        (45, "ticket", "firing", "success"),
        (62, "ticket", "resolved", "success"),
    ]


def test_an_slo_that_was_never_measured_opens_its_ticket_too(world: World) -> None:
    world.lead(with_policies(NO_DATA))
    for minute in range(START, START + 1200, 60):
        world.tick(minute)
    assert [(at, transition) for at, _, transition, _ in no_data(world)] == [(0, "pending"), (10, "firing")]
    world.lead(spec(target=99.0))
    world.tick(START + 1260)
    assert no_data(world)[-1][2] == "resolved"
