from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.counters import LARGEST, cells_of, whole
from tests.collector.rules.language import Script

RULES = sorted((Path(__file__).parent / "rules").glob("*.txt"))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_the_rule_holds(path: Path) -> None:
    for case in path.read_text(encoding="utf-8").split("\n---\n"):
        try:
            Script().run(case)
        except AssertionError as error:
            pytest.fail(f"{path.name}: {case.strip().splitlines()[0]}\n{error}", pytrace=False)


def test_a_script_that_expects_the_wrong_thing_fails() -> None:
    for wrong in ("count a 0m=4", "count a nothing", "time covered 0m=10s", "verdict a=born", "target sawtooth"):
        with pytest.raises(AssertionError, match="line 4"):
            Script().run(f"discovered 0s\npage 15s a=1\npage 30s a=4\n{wrong}")


def test_every_rule_has_a_file() -> None:
    assert len(RULES) >= 12


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1.0, -1e-9, 1e300, 2.0**63])
def test_a_value_that_no_counter_can_have_is_none(value: float) -> None:
    assert whole(value) is None


def test_a_scaled_value_beyond_64_bits_is_none() -> None:
    assert whole(2.0**62, 4.0) is None
    assert whole(2.0**62, 1e300) is None


@given(st.integers(0, 2**42), st.sampled_from([1.0, 1000.0, 0.001, 1e6]))
def test_scaled_values_are_whole_and_rise_with_the_value(value: int, scale: float) -> None:
    less, more = whole(float(value), scale), whole(float(value + 1), scale)
    assert less is not None
    assert more is not None
    assert 0 <= less <= more <= LARGEST


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_cells_are_never_negative_and_their_sum_is_the_last_value(gained: list[int]) -> None:
    cells = cells_of(tuple(gained))
    assert min(cells) >= 0
    assert sum(cells) == gained[-1]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_cells_of_an_even_histogram_are_its_differences(cells: list[int]) -> None:
    cumulative = [sum(cells[: n + 1]) for n in range(len(cells))]
    assert cells_of(tuple(cumulative)) == cells
