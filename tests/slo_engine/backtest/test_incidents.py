"""From changes of alerts to incidents, and two ways of alerting side by side."""

from __future__ import annotations

from slo_engine.backtest import Change, Incident, Move, differences, incidents

M = (("model", "m"),)


def move(minute: int, transition: str, budget: float, severity: str = "page", starts_at: float = 0.0) -> Move:
    return Move(Change(minute, "ttft", '{"model":"m"}', severity, transition), M, starts_at, None, budget)


def incident(firing_at: int, resolved_at: int | None, severity: str = "page") -> Incident:
    return Incident("ttft", M, severity, float(firing_at), firing_at, resolved_at, None, None, None)


def test_an_incident_has_the_budget_when_it_was_told_fired_and_ended() -> None:
    moves = [move(60, "pending", 0.9), move(120, "firing", 0.8, starts_at=60.0), move(600, "resolved", 0.2)]
    (one,) = incidents(moves)
    assert (one.starts_at, one.firing_at, one.resolved_at) == (60.0, 120, 600)
    assert (one.budget_at_start, one.budget_at_firing, one.budget_at_resolved) == (0.9, 0.8, 0.2)


def test_what_was_only_pending_is_no_incident_and_leaves_no_trace_in_the_next() -> None:
    moves = [move(60, "pending", 0.9), move(120, "cleared", 0.9), move(300, "firing", 0.5, starts_at=300.0)]
    (one,) = incidents(moves)
    assert one.budget_at_start == 0.5
    assert one.resolved_at is None


def test_severities_are_incidents_of_their_own() -> None:
    moves = [move(60, "firing", 0.5), move(60, "firing", 0.5, "ticket"), move(120, "resolved", 0.4)]
    assert [(one.severity, one.resolved_at) for one in incidents(moves)] == [("page", 120), ("ticket", None)]


def test_the_other_is_earlier_later_or_alone() -> None:
    here = [incident(1000, 2000), incident(5000, 6000), incident(9000, None)]
    there = [incident(940, 2100), incident(5300, 5900), incident(7000, 7100), incident(9000, None, "ticket")]
    found = differences(here, there)
    assert [(one.change, one.seconds) for one in found] == [
        ("earlier", -60),
        ("later", 300),
        ("only_there", None),
        ("only_here", None),
        ("only_there", None),
    ]


def test_two_that_fire_at_one_minute_are_the_same() -> None:
    (found,) = differences([incident(60, None)], [incident(60, 120)])
    assert (found.change, found.seconds) == ("same", 0)
