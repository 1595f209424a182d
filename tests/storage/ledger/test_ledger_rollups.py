from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from core.measures import Measure
from storage.database import Database
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush
from tests.storage.conftest import MakeDatabase

WIDTHS = (60, 300, 3600)
MARGIN = 3600
"""What is deleted is older by this than what may still be written; the longest bucket fits."""
ATOMS = [Atom(Measure("requests"), (("model", m),)) for m in "ab"] + [Atom(Measure("ttft", bounds=(0.1, 1.0)), ())]


def _roll_up(connection: Connection) -> rollups.Changes:
    changes = rollups.compute(connection)
    rollups.store(connection, changes)
    return changes


@dataclass
class Model:
    """The truth: every row that was ever written, and from when on each width may still be written."""

    database: Database
    dictionary: Dictionary = field(default_factory=Dictionary)
    marks: dict[int, Checkpoint] = field(default_factory=dict)
    written: dict[tuple[int, RowKey], AtomCells] = field(default_factory=dict)
    pruned: dict[int, int] = field(default_factory=lambda: dict.fromkeys(WIDTHS, 0))

    def row(self, source: int, width: int, time: int, content: AtomCells) -> None:
        width = next(w for w in WIDTHS if w >= width and (not self.pruned[w] or time >= self.pruned[w] + MARGIN))
        key = RowKey(width, time // width * width)
        mark = self.marks.get(source) or rows.open_source(self.database, "target", str(source), 0.0)
        won, lost = rows.commit(self.database, self.dictionary, [SourceFlush(mark, b"", {key: content})], 0.0)
        assert not lost
        self.marks[source] = won[mark.source_id]
        self.written[source, key] = content

    def roll_up(self) -> None:
        with self.database.write() as connection:
            _roll_up(connection)

    def prune(self, width: int, before: int) -> None:
        for finer in WIDTHS[: WIDTHS.index(width) + 1]:
            self.pruned[finer] = max(self.pruned[finer], before)
        rows.prune(self.database, width, before)
        with self.database.write() as connection:
            _roll_up(connection)
            rollups.prune(connection, width, before)

    def expected(self, width: int) -> dict[int, Counter[tuple[Atom, int]]]:
        result: dict[int, Counter[tuple[Atom, int]]] = {}
        for (_, key), content in self.written.items():
            if key.width <= width:
                result.setdefault(key.bucket // width * width, Counter()).update(content)
        return result

    def found(self, width: int) -> dict[int, Counter[tuple[Atom, int]]]:
        return {
            key.bucket: Counter({(self.dictionary.atom(self.database, i), cell): n for (i, cell), n in cells.items()})
            for key, cells in rollups.read(self.database, width, 0)
        }


def test_a_late_row_that_waits_keeps_the_others_of_its_bucket(databases: MakeDatabase) -> None:
    model = Model(databases())
    model.row(0, 60, 0, {(ATOMS[0], 0): 2})
    model.roll_up()
    model.row(1, 60, 0, {(ATOMS[0], 0): 1})
    model.prune(60, 200)
    assert model.found(300)[0] == Counter({(ATOMS[0], 0): 3})


contents = st.dictionaries(
    st.one_of(st.tuples(st.sampled_from(ATOMS[:2]), st.just(0)), st.tuples(st.just(ATOMS[2]), st.integers(0, 2))),
    st.integers(1, 2**40),
    min_size=1,
    max_size=4,
)
times = st.integers(0, 4 * 3600 - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("row"), st.integers(0, 2), st.sampled_from(WIDTHS), times, contents),
        st.tuples(st.just("roll_up")),
        st.tuples(st.just("prune"), st.sampled_from(WIDTHS[:2]), times),
    ),
    max_size=18,
)


@given(steps=steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rollups_equal_the_sum_of_all_rows_after_any_sequence(databases: MakeDatabase, steps: list[tuple]) -> None:
    model = Model(databases())
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
    model.roll_up()
    for width in WIDTHS:
        found = model.found(width)
        for bucket, content in model.expected(width).items():
            if bucket + width > model.pruned[width]:
                assert found[bucket] == content


def test_a_late_row_at_a_coarse_width_adds_to_minutes_that_were_deleted(database: Database) -> None:
    model = Model(database)
    model.row(0, 60, 0, {(ATOMS[0], 0): 5})
    model.roll_up()
    model.prune(60, 7200)
    assert model.found(60) == {}
    model.row(1, 300, 60, {(ATOMS[0], 0): 2})
    model.roll_up()
    assert model.found(300) == {0: {(ATOMS[0], 0): 7}} == model.found(3600)


def test_rows_that_are_not_rolled_up_yet_are_not_deleted(database: Database) -> None:
    model = Model(database)
    model.row(0, 60, 0, {(ATOMS[0], 0): 5})
    assert rows.prune(database, 60, 1e9) == 0
    model.roll_up()
    model.row(1, 60, 60, {(ATOMS[0], 0): 5})
    assert rows.prune(database, 60, 1e9) == 1
    model.roll_up()
    assert model.found(3600) == {0: {(ATOMS[0], 0): 10}}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_bucket_is_deleted_only_when_all_of_it_is_too_old(database: Database, width: int) -> None:
    model = Model(database)
    model.row(0, width, 0, {(ATOMS[0], 0): 1})
    model.roll_up()
    assert rows.prune(database, width, width) == 0
    assert rows.prune(database, width, width + 1) == 1
    with database.write() as connection:
        assert rollups.prune(connection, width, width) == 0
        assert rollups.prune(connection, width, width + 1) == 1


def test_roll_up_reports_each_changed_bucket_once_and_then_none(database: Database) -> None:
    model = Model(database)
    model.row(0, 60, 120, {(ATOMS[0], 0): 5})
    with database.write() as connection:
        changes = _roll_up(connection)
        again = _roll_up(connection)
    assert set(changes.buckets) == {RowKey(60, 120), RowKey(300, 0), RowKey(3600, 0)}
    assert again == (changes.rev, {}, [])
