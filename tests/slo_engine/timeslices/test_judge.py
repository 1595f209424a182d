"""Verdicts on slices, and the exact moments at which a budget kept in slices is gone."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.durations import DAY
from core.measures import Measure
from core.yaml import load_text
from slo_engine.book import Book, Counts
from slo_engine.burn import spent
from slo_engine.compile import SHARES, Formula, compile_slo, counted_formula
from slo_engine.evaluate import default_revisions
from slo_engine.specs.model import Slo
from slo_engine.specs.openslo import read
from slo_engine.timeslices.judge import judge
from slo_engine.timeslices.round import definitions_of, verdicts
from slo_engine.timeslices.tally import Tally
from storage.ledger.cells import Cells
from storage.ledger.dictionary import Atom
from storage.ledger.rows import RowKey
from tests.slo_engine.script import slo_text

LAYERS = {"requests": "engine"}
GROUP = (("model", "m"),)
GOOD, BAD = (
    Atom(Measure("requests", "engine", (("outcome", outcome), ("reason", "x"))), GROUP) for outcome in ("good", "bad")
)


def slo(indicator: str, target: str = "95", window: str = "30d") -> Slo:
    text = slo_text("s", target, indicator).replace("duration: 30d", f"duration: {window}")
    (one,) = read(load_text(text, "a.yaml")).slos
    return one


def counted(indicator: str = "requests of slices 1m 0.9") -> Formula:
    return counted_formula(slo(indicator), LAYERS)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        (Counts(part=90, total=100, expected=60, covered=60), {"good": 1}),
        (Counts(part=89, total=100, expected=60, covered=60), {"bad": 1}),
        (Counts(part=9, total=10, expected=60, covered=1), {"good": 1}),  # what was seen counts, as everywhere
        (Counts(expected=60, covered=30), {"idle": 1}),
        (Counts(expected=60, covered=29), {"no_data": 1}),
        (Counts(), {}),
    ],
)
def test_a_slice_is_good_bad_idle_or_without_data(counts: Counts, verdict: dict[str, int]) -> None:
    assert judge(counted(), counts, Fraction(9, 10)) == verdict


def test_a_slice_of_a_price_is_good_while_it_cost_no_more_than_allowed() -> None:
    text = slo_text("s", "95", "cost <= 0.5 for 1000")
    text = text.replace("Occurrences", "Timeslices").replace("[{", "[{timeSliceWindow: 1m, timeSliceTarget: 1, ", 2)
    text = text.replace("timeWindow: [{timeSliceWindow: 1m, timeSliceTarget: 1, ", "timeWindow: [{")
    (one,) = read(load_text(text, "a.yaml")).slos
    formula = counted_formula(one, {})
    assert judge(formula, Counts(part=500_000, total=1000), Fraction(1)) == {"good": 1}
    assert judge(formula, Counts(part=500_001, total=1000), Fraction(1)) == {"bad": 1}
    assert judge(formula, Counts(part=1, total=0), Fraction(1)) == {"bad": 1}  # spent for nothing


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_the_share_of_a_slice_is_off_by_half_a_part_at_most_and_its_parts_make_a_whole(good: int, bad: int) -> None:
    if not good + bad:
        return
    found = judge(counted(), Counts(part=good, total=good + bad), None)
    assert found["good"] + found["bad"] == SHARES
    assert abs(Fraction(found["good"], SHARES) - Fraction(good, good + bad)) <= Fraction(1, 2 * SHARES)


def minutes_of(attack: int, whole: int) -> Iterator[tuple[int, Cells]]:
    """`whole` minutes of 100 requests with 99 good ones, the last `attack` of them with 1."""
    for place in range(whole):
        good = 99 if place < whole - attack else 1
        yield place * 60, {(1, 0): good, (2, 0): 100 - good}


def remaining(method: str, attack: int) -> float:
    """What is left of two weeks' budget of 95 % when the last `attack` minutes were an attack."""
    one, whole = slo(method, window="2w"), 14 * DAY // 60
    definitions = definitions_of([one], LAYERS)
    tally = Tally([d.formula for d in definitions], {1: GOOD, 2: BAD}.__getitem__)
    formula = compile_slo(one, LAYERS)
    book = Book([formula], {60: 14 * DAY, 300: 0, 3600: 0})
    atoms: dict[int, Atom] = {}
    hours: dict[int, Cells] = {}
    for minute, cells in minutes_of(attack, whole):
        for (atom, cell), n in verdicts(definitions, {minute: tally.of(cells)}, minute).items():
            series = next((k for k, v in atoms.items() if v is atom), len(atoms))
            atoms[series] = atom
            hour = hours.setdefault(minute // 3600 * 3600, {})
            hour[series, cell] = hour.get((series, cell), 0) + n
    for hour_, cells in hours.items():
        book.apply(RowKey(3600, hour_), cells, atoms)
    left = spent(formula, book.accounts[0][GROUP], 14 * DAY, 14 * DAY, default_revisions(formula)).remaining
    assert left is not None
    return left


def test_under_attack_whole_slices_spend_two_weeks_in_16_hours_48_minutes_exactly() -> None:
    # OpenSLO's budgeting-method example: 99 % in normal times, 1 % under attack, target 95 % over two weeks.
    assert remaining("requests of slices 1m 0.95", 16 * 60 + 48) == 0
    assert remaining("requests of slices 1m 0.95", 16 * 60 + 47) > 0


def test_under_attack_shares_of_slices_spend_two_weeks_in_13_hours_42_minutes_51_seconds() -> None:
    # 0.05 × 336 h = 0.99 x + 0.01 (336 h − x): x is 822.857 minutes.
    assert remaining("requests of ratio slices 1m", 13 * 60 + 42) > 0 > remaining("requests of ratio slices 1m", 823)
    first, second = remaining("requests of ratio slices 1m", 822), remaining("requests of ratio slices 1m", 823)
    assert first / (first - second) == pytest.approx(0.857, abs=0.001)
