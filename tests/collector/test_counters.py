"""Counters as columns: as if each were read and differenced alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.counters import Columns, CounterSlot, Reading, Table, cells_of, cumulative, readings
from collector.increments import Page, TargetState, advance
from core.measures import Measure
from storage.ledger.dictionary import Atom
from storage.ledger.rows import AtomCells

SLOTS = (
    CounterSlot("a", (3,), 1.0, (Atom(Measure("a"), ()), Atom(Measure("every"), ())), None),
    CounterSlot("h", (0, 2, 1), 1.0, (Atom(Measure("h", bounds=(1.0, 2.0)), ()),), 6),
    CounterSlot("s", (4,), 1e6, (Atom(Measure("s"), ()), Atom(Measure("every"), ())), None),
    CounterSlot("c", (5,), 1.0, (Atom(Measure("c"), ()),), 7),
)
COLUMNS = Columns(SLOTS)
odd = st.sampled_from([float("nan"), float("inf"), -1.0, -1e-10, 2.0**63, 1e300, 2.0**62, 0.5, 2.9999999999])
raw = st.lists(st.integers(0, 9).map(float) | odd, min_size=8, max_size=8)
quiet = st.lists(st.integers(0, 3), min_size=6, max_size=6)


def alone(values: list[float]) -> dict[str, Reading]:
    found = {}
    for slot in SLOTS:
        numbers = cumulative([values[index] for index in slot.indices], slot.scale)
        if numbers is not None:
            found[slot.key] = Reading(numbers, None if slot.created is None else values[slot.created])
    return found


@given(raw)
def test_a_page_is_read_as_each_counter_alone(values: list[float]) -> None:
    found = COLUMNS.read(np.array(values))
    assert repr(sorted(found.items())) == repr(sorted(alone(values).items()))  # where NaN equals NaN


@given(raw)
def test_a_table_comes_back_from_its_dump(values: list[float]) -> None:
    found = COLUMNS.read(np.array([*values[:6], 5.5, 6.5]))
    if isinstance(found, Table):
        assert readings(orjson.loads(orjson.dumps(found.dump(), option=orjson.OPT_SERIALIZE_NUMPY))) == dict(found)


@given(st.lists(st.integers(0, 2**40), min_size=6, max_size=6))
def test_cells_are_those_of_each_counter_alone(gained: list[int]) -> None:
    into: AtomCells = {}
    COLUMNS.feed(COLUMNS.cells(np.array(gained)), into)
    expected = Counter[tuple[Atom, int]]()
    for slot, values in zip(SLOTS, ((gained[0],), tuple(gained[1:4]), (gained[4],), (gained[5],)), strict=True):
        for atom in slot.atoms:
            for cell, n in enumerate(cells_of(values)):
                expected[atom, cell] += n
    assert Counter(into) == +expected


@given(st.lists(st.tuples(st.floats(-1, 90), quiet, st.sampled_from([None, 1.0, 50.0]), st.booleans()), max_size=6))
@settings(max_examples=300)
def test_the_rules_say_the_same_of_a_table_as_of_its_counters_one_by_one(steps: list) -> None:
    together: TargetState | None = None
    singly: TargetState | None = None
    time, total = 100.0, [0, 0, 0, 0, 0, 0]
    for wait, more, created, falls in steps:
        time += wait
        total = [0] * 6 if falls else [old + new for old, new in zip(total, more, strict=True)]
        low, middle, high = total[1], total[1] + total[2], total[1] + total[2] + total[3]
        values = [low, high, middle, total[0], total[4], total[5], created or 0.0, 3.0]
        table = COLUMNS.read(np.array(values, np.float64))
        page = Page(time, table, 40.0, True, "1")
        one = advance(together, page, 0.0, 60.0)
        other = advance(singly, page._replace(counters=dict(table)), 0.0, 60.0)
        counted = [*one.increments, *(one.rise.increments() if one.rise is not None else ())]
        assert sorted(counted, key=lambda each: each.key) == sorted(other.increments, key=lambda each: each.key)
        assert one[2:6] == other[2:6]
        together, singly = one.state, other.state
        assert (together.every(), together._replace(counters={}, away={})) == (
            singly.every(),
            singly._replace(counters={}, away={}),
        )
