"""What is told when, as plain text: what happens at which second, and every notification that follows.

`tell` lines are the complete list of notifications; `+` fires, `-` has resolved.
"""

from __future__ import annotations

from typing import Any

import pytest

from alerting.settings import AlertingSettings

SCENARIOS = {
    "a group waits for its alerts, then tells them together": """
        at 0 fire eu
        at 4 fire us
        tell at 10 page first notification: +eu +us
        end 200
    """,
    "an alert that resolves before the first notification tells nothing": """
        at 0 fire eu
        at 9 resolve eu
        end 400
    """,
    "an alert that joins is told at the next interval": """
        at 0 fire eu
        at 20 fire us
        tell at 10 page first notification: +eu
        tell at 310 page new alerts added: +eu +us
        end 400
    """,
    "a resolution is told at the next interval": """
        at 0 fire eu
        at 20 resolve eu
        tell at 10 page first notification: +eu
        tell at 310 page all alerts resolved: -eu
        end 1000
    """,
    "one of two resolves": """
        at 0 fire eu
        at 0 fire us
        at 20 resolve eu
        tell at 10 page first notification: +eu +us
        tell at 310 page some alerts resolved: +us -eu
        end 1000
    """,
    "a resolved alert that was never told is not mentioned": """
        at 0 fire eu
        at 20 fire us
        at 40 resolve us
        tell at 10 page first notification: +eu
        end 1000
    """,
    "an unchanged group is repeated after four hours": """
        at 0 fire eu
        tell at 10 page first notification: +eu
        tell at 14410 page repeat interval elapsed: +eu
        end 20000
    """,
    "a flap within the interval is not told": """
        at 0 fire eu
        at 20 resolve eu
        at 40 fire eu
        tell at 10 page first notification: +eu
        end 2000
    """,
    "after a told resolution it is a first notification again": """
        at 0 fire eu
        at 20 resolve eu
        at 400 fire eu
        tell at 10 page first notification: +eu
        tell at 310 page all alerts resolved: -eu
        tell at 410 page first notification: +eu
        end 2000
    """,
    "page and ticket go to different receivers": """
        at 0 fire eu
        at 0 fire ticket:eu
        tell at 10 page first notification: +eu
        tell at 10 ticket first notification: +eu
        end 100
    """,
    "a silenced alert tells nothing, and tells when the silence ends": """
        at 0 silence eu 1000
        at 1 fire eu
        tell at 1000 page first notification: +eu
        end 2000
    """,
    "a silence on a told alert ends with a reminder": """
        at 0 fire eu
        at 20 silence eu 1000
        tell at 10 page first notification: +eu
        tell at 1020 page first notification: +eu
        end 2000
    """,
    "a silenced alert is not repeated": """
        at 0 fire eu
        at 20 silence eu 20000
        tell at 10 page first notification: +eu
        end 16000
    """,
    "what was told is resolved under a silence, too": """
        at 0 fire eu
        at 20 silence eu 10000
        at 400 resolve eu
        tell at 10 page first notification: +eu
        tell at 610 page all alerts resolved: -eu
        end 12000
    """,
    "what was never told resolves silently under a silence": """
        at 0 silence eu 1000
        at 1 fire eu
        at 500 resolve eu
        end 3000
    """,
    "a silenced alert beside one that fires": """
        at 0 silence eu 5000
        at 1 fire eu
        at 1 fire us
        at 400 resolve us
        tell at 11 page first notification: +us
        tell at 611 page some alerts resolved: -us
        tell at 5000 page first notification: +eu
        end 6000
    """,
    "an expired silence tells at once": """
        at 0 silence eu 9000
        at 1 fire eu
        at 700 expire
        tell at 700 page first notification: +eu
        end 900
    """,
    "an acknowledgement is passed on and stops repeats": """
        at 0 fire eu
        at 60 acknowledge
        tell at 10 page first notification: +eu
        tell at 60 page acknowledge: +eu
        end 40000
    """,
    "an acknowledgement before the first notification follows it": """
        at 0 fire eu
        at 5 acknowledge
        tell at 10 page first notification: +eu
        tell at 10 page acknowledge: +eu
        end 40000
    """,
    "an alert that joins lifts the acknowledgement": """
        at 0 fire eu
        at 60 acknowledge
        at 70 fire us
        tell at 10 page first notification: +eu
        tell at 60 page acknowledge: +eu
        tell at 310 page new alerts added: +eu +us
        tell at 14710 page repeat interval elapsed: +eu +us
        end 20000
    """,
    "an acknowledged incident still tells its resolution": """
        at 0 fire eu
        at 60 acknowledge
        at 70 resolve eu
        tell at 10 page first notification: +eu
        tell at 60 page acknowledge: +eu
        tell at 310 page all alerts resolved: -eu
        end 20000
    """,
    "pending and cleared are nobody's business": """
        at 0 pending eu
        at 60 cleared eu
        end 1000
    """,
    "a resolution of what never fired is nothing": """
        at 0 resolve eu
        end 1000
    """,
}
TRANSITIONS = {"fire": "firing", "resolve": "resolved", "pending": "pending", "cleared": "cleared"}


def play(world: Any, text: str) -> list[str]:
    """Let a scenario happen; returns what it expects to be told."""
    expected, last_silence = [], ""
    for line in filter(None, map(str.strip, text.splitlines())):
        words = line.split()
        if words[0] == "tell":
            expected.append(line.removeprefix("tell "))
            continue
        world.run_until(float(words[1]))
        match words[2:]:
            case ["silence", alert, seconds]:
                last_silence = world.silence(alert, float(seconds))
            case ["acknowledge"]:
                world.acknowledge()
            case ["expire"]:
                from storage import silences

                silences.expire(world.db, last_silence, "ann", world.clock.now())
            case [verb, alert]:
                world.event(TRANSITIONS[verb], alert)
    return expected


@pytest.mark.parametrize("text", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_scenario_tells_exactly_what_it_says(world: Any, text: str) -> None:
    assert play(world, text) == world.told()


@pytest.mark.parametrize("text", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_restart_at_every_event_changes_nothing(world: Any, text: str) -> None:
    plain = world.run_until

    def restarting(seconds: float) -> None:
        plain(seconds)
        world.restart()

    world.run_until = restarting
    assert play(world, text) == world.told()


def test_without_send_resolved_a_resolution_is_not_told_but_the_next_fire_is(world: Any) -> None:
    receivers = [{"name": "hook", "send_resolved": False, "webhook": {"url": "http://127.0.0.1:1/"}}]
    world.restart(AlertingSettings.model_validate({"receivers": receivers}))
    expected = play(
        world,
        """
        at 0 fire eu
        at 0 fire us
        at 20 resolve eu
        at 400 fire eu
        at 700 resolve eu
        at 700 resolve us
        at 2000 fire us
        tell at 10 hook first notification: +eu +us
        tell at 610 hook new alerts added: +eu +us
        tell at 2010 hook first notification: +us
        end 3000
        """,
    )
    assert world.told() == expected


def test_a_catch_up_after_a_pause_does_not_page_for_what_is_over(world: Any) -> None:
    world.run_until(0)
    for second, (verb, alert) in enumerate([("firing", "eu"), ("firing", "us"), ("resolved", "eu")]):
        world.clock.set(world.start + second * 60)
        world.event(verb, alert)
    world.clock.set(world.start + 3600)
    world.alerter.step()
    assert world.told() == ["at 3600 page first notification: +us"]


def test_an_alert_on_two_routes_is_told_on_both_and_is_one_incident(world: Any, base_settings: Any) -> None:
    from storage import incidents

    route = {
        "receiver": "ticket",
        "routes": [
            {"receiver": "ticket", "matchers": ['slo=~".+"'], "continue": True, "group_by": ["slo"]},
            {"receiver": "page", "matchers": ['severity="page"']},
        ],
    }
    world.restart(AlertingSettings.model_validate(base_settings | {"route": route}))
    world.event("firing", "eu")
    world.run_until(400)
    assert world.told() == ["at 10 page first notification: +eu", "at 10 ticket first notification: +eu"] or (
        world.told() == ["at 10 ticket first notification: +eu", "at 10 page first notification: +eu"]
    )
    assert len(incidents.list_incidents(world.db)) == 1
    world.acknowledge()
    world.event("resolved", "eu")
    world.run_until(2000)
    assert not incidents.list_incidents(world.db, open_only=True)


def test_a_changed_route_tree_tells_the_new_receiver_and_resolves_at_both(world: Any, base_settings: Any) -> None:
    world.event("firing", "eu")
    world.run_until(20)
    route = {"receiver": "page", "routes": [{"receiver": "ticket", "matchers": ['severity=~"page|ticket"']}]}
    world.restart(AlertingSettings.model_validate(base_settings | {"route": route}))
    world.run_until(100)
    world.event("resolved", "eu")
    world.run_until(1000)
    assert world.told() == [
        "at 10 page first notification: +eu",
        "at 30 ticket first notification: +eu",
        "at 310 page all alerts resolved: -eu",
        "at 330 ticket all alerts resolved: -eu",
    ]


def test_alerts_of_a_removed_receiver_are_told_to_whom_the_tree_names_now(world: Any) -> None:
    world.event("firing", "eu")
    world.run_until(20)
    only = {"receivers": [{"name": "hook", "webhook": {"url": "http://127.0.0.1:1/"}}]}
    world.restart(AlertingSettings.model_validate(only))
    world.run_until(100)
    assert world.told() == ["at 10 page first notification: +eu", "at 30 hook first notification: +eu"]
    assert [row.state for row in world.rows()] == ["failed", "pending"]


def test_a_part_of_a_group_that_moves_to_a_new_route_still_resolves_where_it_was_told(
    world: Any, base_settings: Any
) -> None:
    world.event("firing", "eu")
    world.event("firing", "us")
    world.run_until(20)
    route = {
        "receiver": "page",
        "routes": [
            {"receiver": "ticket", "matchers": ['region="us"']},
            {"receiver": "page", "matchers": ['severity="page"']},
        ],
    }
    world.restart(AlertingSettings.model_validate(base_settings | {"route": route}))
    world.run_until(100)
    world.event("resolved", "us")
    world.event("resolved", "eu")
    world.run_until(1000)
    assert world.told()[0] == "at 10 page first notification: +eu +us"
    assert "at 310 page all alerts resolved: -eu -us" in world.told()
    assert "at 330 ticket all alerts resolved: -us" in world.told()


def test_without_receivers_incidents_are_kept_and_nothing_is_sent(world: Any) -> None:
    from storage import incidents

    world.restart(AlertingSettings())
    world.event("firing", "eu")
    world.run_until(20)
    assert len(incidents.list_incidents(world.db, open_only=True)) == 1
    world.event("resolved", "eu")
    world.run_until(600)
    assert not incidents.list_incidents(world.db, open_only=True)
    assert world.rows() == []


def test_an_alert_of_a_budget_policy_goes_to_tickets_under_the_severity_of_its_labels(world: Any) -> None:
    from storage import incidents

    world.event("firing", "info:eu", severity="budget-info")
    world.run_until(20)
    assert world.told() == ["at 10 ticket first notification: +eu"]
    assert [row.body["severity"] for row in world.rows()] == ["info"]
    assert [one.severity for one in incidents.list_incidents(world.db)] == ["info"]
