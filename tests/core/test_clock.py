from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock, SystemClock


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_monotonic_time_never_goes_back_whatever_the_wall_clock_does(steps: list[float]) -> None:
    clock = ManualClock(1e9)
    last = clock.monotonic()
    for step in steps:
        clock.advance(step)
        assert clock.monotonic() >= last
        last = clock.monotonic()


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(100.0)
    clock.advance(5)
    clock.set(50)
    clock.advance(1)
    assert (clock.now(), clock.monotonic()) == (51, 6)


def test_the_machines_clocks_tell_unix_time_and_do_not_go_back() -> None:
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.now() > 1.7e9
    assert clock.monotonic() >= first
