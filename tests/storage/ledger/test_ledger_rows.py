from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import StorageError
from core.measures import OTHER, Measure
from storage.database import Database
from storage.ledger import cells, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, Checkpoint, RowKey, SourceFlush

REQUESTS = Measure("requests")
KEY = RowKey(60, 600)


def atom(model: str, measure: Measure = REQUESTS) -> Atom:
    return Atom(measure, (("model", model),))


def open_target(database: Database, name: str = "a") -> Checkpoint:
    return rows.open_source(database, "target", name, 0.0)


def put(
    database: Database, mark: Checkpoint, content: AtomCells, key: RowKey = KEY, dictionary: Dictionary | None = None
) -> Checkpoint:
    flush = SourceFlush(mark, b"state", {key: content})
    won, lost = rows.commit(database, dictionary or Dictionary(), [flush], 1.0)
    assert lost == []
    return won[mark.source_id]


def content(database: Database, mark: Checkpoint, *keys: RowKey) -> dict[RowKey, AtomCells]:
    return rows.load_rows(database, Dictionary(), mark.source_id, keys or [KEY])


def test_a_row_is_replaced_and_never_incremented(database: Database) -> None:
    mark = put(database, open_target(database), {(atom("m"), 0): 5, (atom("gone"), 0): 1})
    mark = put(database, mark, {(atom("m"), 0): 7})
    assert content(database, mark) == {KEY: {(atom("m"), 0): 7}}


def test_the_loser_of_the_compare_and_set_writes_nothing(database: Database) -> None:
    mark = open_target(database)
    put(database, mark, {(atom("m"), 0): 5})
    other = open_target(database, "b")
    late = SourceFlush(mark, b"late", {KEY: {(atom("late"), 0): 9}})
    fine = SourceFlush(other, b"fine", {KEY: {(atom("m"), 0): 2}})
    won, lost = rows.commit(database, Dictionary(), [late, fine], 1.0)
    assert (set(won), lost) == ({other.source_id}, [mark.source_id])
    assert content(database, mark) == {KEY: {(atom("m"), 0): 5}}
    assert content(database, other) == {KEY: {(atom("m"), 0): 2}}
    assert open_target(database) == Checkpoint(mark.source_id, 1, b"state")


def test_one_source_twice_in_a_batch_is_committed_once(database: Database) -> None:
    mark = open_target(database)
    flushes = [SourceFlush(mark, b"", {KEY: {(atom("m"), 0): n}}) for n in (1, 2)]
    won, lost = rows.commit(database, Dictionary(), flushes, 1.0)
    assert (list(won), lost) == ([mark.source_id], [mark.source_id])
    assert content(database, mark) == {KEY: {(atom("m"), 0): 1}}


def test_every_commit_takes_a_later_number_of_the_clock(database: Database) -> None:
    first, second = open_target(database), open_target(database, "b")
    put(database, second, {(atom("m"), 0): 1})
    put(database, first, {(atom("m"), 0): 1}, RowKey(60, 0))
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT source_id, rev FROM ledger_row ORDER BY rev").all()
    assert [tuple(row) for row in found] == [(second.source_id, 1), (first.source_id, 2)]


def test_rows_of_every_minute_of_two_days_and_hour_of_a_year_are_read_at_once(database: Database) -> None:
    mark = put(database, open_target(database), {(atom("m"), 0): 5})
    keys = [RowKey(60, 60 * n) for n in range(2880)] + [RowKey(3600, 3600 * n) for n in range(9600)]
    assert content(database, mark, *keys) == {KEY: {(atom("m"), 0): 5}}


def test_no_rows_are_read_for_no_keys(database: Database) -> None:
    mark = open_target(database)
    assert rows.load_rows(database, Dictionary(), mark.source_id, []) == {}


def test_groups_over_the_cap_are_counted_together_and_the_total_is_exact(database: Database) -> None:
    dictionary = Dictionary(cap=3)
    mark = put(database, open_target(database), {(atom(f"m{n}"), 0): 2**n for n in range(10)}, dictionary=dictionary)
    found = content(database, mark)[KEY]
    assert sum(found.values()) == 2**10 - 1
    assert len(found) == 4
    assert (atom(OTHER), 0) in found
    assert dictionary.capped == {"requests"}


def test_the_cap_holds_for_groups_that_come_one_by_one_and_from_another_process(database: Database) -> None:
    mark = open_target(database)
    for n in range(6):
        mark = put(database, mark, {(atom(f"m{n}"), 0): 1}, RowKey(60, 60 * n), Dictionary(cap=3))
    found = content(database, mark, *(RowKey(60, 60 * n) for n in range(6)))
    groups = [next(iter(row))[0].group for _, row in sorted(found.items())]
    assert groups == [(("model", name),) for name in ("m0", "m1", "m2", OTHER, OTHER, OTHER)]


def test_each_measure_has_a_cap_of_its_own(database: Database) -> None:
    both: AtomCells = {(atom(f"m{n}", Measure(name)), 0): 1 for n in range(2) for name in ("requests", "retries")}
    mark = put(database, open_target(database), both, dictionary=Dictionary(cap=2))
    assert content(database, mark) == {KEY: both}


def test_what_a_lumped_group_counts_later_is_added_to_what_was_read_back(database: Database) -> None:
    dictionary = Dictionary(cap=1)
    mark = put(database, open_target(database), {(atom("a"), 0): 1, (atom("b"), 0): 2}, dictionary=dictionary)
    held = content(database, mark)[KEY]
    mark = put(database, mark, {**held, (atom("b"), 0): 4}, dictionary=dictionary)
    assert content(database, mark) == {KEY: {(atom("a"), 0): 1, (atom(OTHER), 0): 6}}


def test_ids_of_a_transaction_that_was_rolled_back_are_not_used_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictionary, mark = Dictionary(), open_target(database)

    def full(*_: object) -> None:
        raise StorageError("full")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "upsert", full)
        with pytest.raises(StorageError):
            put(database, mark, {(atom("a"), 0): 1}, dictionary=dictionary)
    assert open_target(database).version == 0
    put(database, open_target(database, "b"), {(atom("b"), 0): 2})
    mark = put(database, mark, {(atom("a"), 0): 3}, dictionary=dictionary)
    assert content(database, mark) == {KEY: {(atom("a"), 0): 3}}


def test_equal_measures_share_an_id_whatever_spells_their_bounds(database: Database) -> None:
    whole, floats = Measure("running", bounds=(1, 2)), Measure("running", bounds=(1.0, 2.0))
    mark = put(database, open_target(database), {(atom("m", whole), 1): 1})
    put(database, open_target(database, "b"), {(atom("m", floats), 1): 1})
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger_measure").scalar() == 1
    assert content(database, mark) == {KEY: {(atom("m", floats), 1): 1}}


sparse = st.dictionaries(
    st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 2**16 - 1)), st.integers(-(2**63), 2**63 - 1), max_size=50
)


@given(sparse)
@settings(max_examples=50)
def test_cells_come_back_as_they_were_written_without_their_zeros(written: cells.Cells) -> None:
    assert cells.decode(cells.encode(written)) == {key: n for key, n in written.items() if n}


@given(st.lists(sparse, max_size=4))
@settings(max_examples=25)
def test_the_total_of_contents_is_the_sum_of_each_cell(parts: list[cells.Cells]) -> None:
    total = cells.total(parts)
    assert total == {key: sum(part.get(key, 0) for part in parts) for part in parts for key in part}


def test_a_count_that_no_column_can_hold_stops_at_the_largest(database: Database) -> None:
    mark = put(database, open_target(database), {(atom("huge"), 0): 2**70, (atom("m"), 0): 5})
    assert content(database, mark) == {KEY: {(atom("huge"), 0): 2**63 - 1, (atom("m"), 0): 5}}
