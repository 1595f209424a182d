from __future__ import annotations

import pytest

from core.matchers import parse_matchers
from core.signals import ALIASES, SIGNALS, Signal


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=lambda signal: signal.name)
def test_gauges_alone_bring_cells_and_their_bounds_rise(signal: Signal) -> None:
    assert bool(signal.bounds) == (signal.kind == "gauge")
    assert list(signal.bounds) == sorted(set(signal.bounds))
    assert signal.unit
    assert signal.help.endswith(".")


def test_signals_are_found_by_their_own_name() -> None:
    assert all(name == signal.name for name, signal in SIGNALS.items())


def test_an_alias_is_a_part_of_a_signal_and_no_signal_itself() -> None:
    for alias, (signal, where) in ALIASES.items():
        assert alias not in SIGNALS
        assert signal in SIGNALS
        assert parse_matchers(where)
