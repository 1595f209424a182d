"""The life of an alert, over every sequence of what the windows may say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slo_engine.conditions import CALM_TICKS, RESOLVE_COVERAGE, Alert, Level, State, began, decide, retire

steps = st.lists(
    st.tuples(st.sampled_from(Level), st.sampled_from([None, 0.0, 0.79, RESOLVE_COVERAGE, 1.0])), max_size=40
)
NEXT = {
    None: lambda before, after: before is after,
    "pending": lambda before, after: (before, after) == (State.OK, State.PENDING),
    "firing": lambda before, after: before is not State.FIRING and after is State.FIRING,
    "cleared": lambda before, after: (before, after) == (State.PENDING, State.OK),
    "resolved": lambda before, after: (before, after) == (State.FIRING, State.OK),
}


@given(steps, st.sampled_from([0.0, 60.0, 150.0]))
def test_each_event_tells_the_change_of_state_and_nothing_else_is_told(
    said: list[tuple[Level, float | None]], hold: float
) -> None:
    alert = Alert()
    for tick, (level, coverage) in enumerate(said, start=1):
        decision = decide(alert, level, coverage, tick * 60.0, hold)
        assert NEXT[decision.transition](alert.state, decision.alert.state)
        if decision.alert.state is State.FIRING and alert.state is not State.FIRING:
            assert level is Level.ABOVE
        alert = decision.alert


@given(steps)
def test_what_fires_ends_only_after_calm_and_covered_evaluations_in_a_row(
    said: list[tuple[Level, float | None]],
) -> None:
    alert, calm = Alert(), 0
    for tick, (level, coverage) in enumerate(said, start=1):
        before, alert = alert, decide(alert, level, coverage, tick * 60.0).alert
        quiet = level in (Level.BELOW, Level.SHORT_ONLY) and coverage is not None and coverage >= RESOLVE_COVERAGE
        calm = calm + 1 if before.state is State.FIRING and quiet else 0
        if before.state is State.FIRING:
            assert (alert.state is State.OK) == (calm >= CALM_TICKS)


@given(st.sampled_from(State), st.floats(0, 1), st.integers(0, CALM_TICKS - 1))
def test_what_is_not_known_moves_nothing(state: State, coverage: float, calm: int) -> None:
    alert = Alert(state, 60.0, 30.0 if state is State.FIRING else None, calm)
    decision = decide(alert, Level.UNKNOWN, coverage, 120.0)
    assert decision.transition is None
    assert decision.alert.state is state
    assert decision.alert.since == alert.since


@given(steps)
def test_an_event_begins_when_its_condition_began_and_never_in_an_earlier_life(
    said: list[tuple[Level, float | None]],
) -> None:
    alert, awake_since = Alert(), None
    for tick, (level, coverage) in enumerate(said, start=1):
        before, decision = alert, decide(alert, level, coverage, tick * 60.0)
        alert = decision.alert
        if before.state is State.OK and alert.state is not State.OK:
            awake_since = tick * 60.0
        if decision.transition:
            assert began(before, decision) == awake_since


def test_a_condition_is_held_before_it_fires_and_a_pause_starts_it_anew() -> None:
    alert = decide(Alert(), Level.ABOVE, 1.0, 0.0, hold=60.0).alert
    assert alert.state is State.PENDING
    assert decide(alert, Level.ABOVE, 1.0, 59.0, hold=60.0).transition is None
    assert decide(alert, Level.ABOVE, 1.0, 60.0, hold=60.0).transition == "firing"
    alert = decide(alert, Level.BELOW, 1.0, 59.0, hold=60.0).alert
    assert decide(alert, Level.ABOVE, 1.0, 60.0, hold=60.0).transition == "pending"


def test_retirement_ends_what_is_awake_and_leaves_what_rests_alone() -> None:
    resting = Alert(State.OK, 5.0)
    assert retire(resting, 99.0)[::2] == (resting, None)
    assert retire(Alert(State.PENDING, 5.0), 99.0).transition == "cleared"
    assert retire(Alert(State.FIRING, 5.0, 4.0), 99.0)[::2] == (Alert(State.OK, 99.0), "resolved")
