from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from core.measures import Measure
from storage.database import Database
from storage.ledger import rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import RowKey, SourceFlush

WRITERS = 6


def at_once(work: Callable[[int], object]) -> list[object]:
    """Let several threads begin a piece of work at the same moment; the first error is raised."""
    barrier = Barrier(WRITERS)

    def begin(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(begin, range(WRITERS)))


def test_writers_that_discover_one_source_at_the_same_moment_share_it(database: Database) -> None:
    opened = at_once(lambda _: [rows.open_source(database, "target", f"http://t{n}", 1.0) for n in range(5)])
    assert opened == [opened[0]] * WRITERS


def test_first_commits_of_several_writers_at_the_same_moment_all_succeed(database: Database) -> None:
    def commit(writer: int) -> object:
        dictionary = Dictionary()
        mark = rows.open_source(database, "target", f"http://t{writer}", 1.0)
        flush = SourceFlush(mark, b"", {RowKey(60, 0): {(Atom(Measure("requests"), (("model", "m"),)), 0): 1}})
        return rows.commit(database, dictionary, [flush], 1.0)[1]

    assert at_once(commit) == [[]] * WRITERS
    with database.read() as connection:
        revs = connection.exec_driver_sql("SELECT rev FROM ledger_row ORDER BY rev").scalars().all()
        assert revs == list(range(1, WRITERS + 1))
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger_series").scalar() == 1


def test_batches_that_hold_the_same_sources_in_opposite_order_do_not_deadlock(database: Database) -> None:
    marks = [rows.open_source(database, "target", f"http://t{n}", 1.0) for n in range(20)]

    def commit(writer: int) -> object:
        order = marks if writer % 2 else marks[::-1]
        return rows.commit(database, Dictionary(), [SourceFlush(mark, b"", {}) for mark in order], 1.0)[0]

    won = [len(each) for each in at_once(commit)]  # type: ignore[arg-type]  # the checkpoints that a writer won
    assert sorted(won) == [0] * (WRITERS - 1) + [20]
