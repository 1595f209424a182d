from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from collector.otlp.commit import OtlpLedger, Receipt
from collector.otlp.prepare import Prepared
from collector.settings import Stratum
from core.buckets import FIVE_MINUTES, HOURS, MINUTES
from core.errors import StorageBusy, StorageError, StorageFull
from storage import generations, samples
from storage.database import Database
from storage.ledger.rows import RowKey
from tests.collector.otlp.told import ALL, NOW, call, ledger, new_database, prepared, rows_of, span, totals
from tests.storage.conftest import MakeDatabase

DAY = 86_400.0
LONG = {"gen_ai.request.note": "x" * 1000}
HALF = (
    Stratum(name="failed", match='outcome="bad"', probability=1.0),
    Stratum(name="default", probability=0.5),
)


@pytest.fixture
def database(databases: MakeDatabase) -> Database:
    """One database with empty tables, on SQLite and on PostgreSQL."""
    return databases()


def sampled(database: Database) -> int:
    return len(generations.recent(database, 0.0, sampled_only=True, limit=10_000))


def without_time(database: Database) -> dict[object, int]:
    return {key: n for key, n in rows_of(database).items() if not key[1].startswith("target_time")}


def test_a_call_is_counted_stored_and_drawn_in_its_own_minute(database: Database) -> None:
    ledger(database).commit([prepared(call(1, end=NOW - 30), call(2, end=NOW + 30))], NOW + 31)
    assert {(row.bucket, row.width) for row, measure, _ in rows_of(database) if measure.startswith("drawn")} == {
        (NOW - 60, 60),
        (NOW, 60),
    }
    assert totals(database) == {
        "generations outcome=good stratum=default": 2,
        "goodput outcome=excluded reason=not_measured": 2,
        "drawn stratum=default": 2,
    }
    assert samples.waiting(database) == 2
    assert len(generations.trace(database, "0" * 31 + "1")[0]) == 2


@pytest.mark.parametrize(
    ("age", "width"), [(3600.0, MINUTES.width), (3 * DAY, FIVE_MINUTES.width), (30 * DAY, HOURS.width)]
)
def test_a_late_call_goes_to_the_tier_that_still_holds_its_time(database: Database, age: float, width: int) -> None:
    ledger(database).commit([prepared(call(end=NOW - age))], NOW)
    assert list(rows_of(database)) != []
    assert {row for row, _, _ in rows_of(database)} == {RowKey(width, int((NOW - age) // width) * width)}


def test_what_is_sent_again_is_counted_once_and_says_so(database: Database) -> None:
    book, told = ledger(database), prepared(call(1), call(1), call(2))
    first, second = book.commit([told, told], NOW), ledger(database).commit([told], NOW + 1)
    assert (len(first.counted), first.duplicates) == (2, 4)
    assert (len(second.counted), second.duplicates) == (0, 3)
    assert without_time(database)[(RowKey(60, int(NOW) - 60), "drawn stratum=default", GROUP)] == 2
    assert samples.waiting(database) == 2


GROUP = (("model", "m"), ("region", "eu"), ("tenant", "acme"), ("version", "v1"))
CALLS = [
    call(n, trace=1 + n % 5, end=NOW - 7 * n, failed=n % 3 == 0, told={"service.version": f"v{n % 2}"})
    for n in range(1, 21)
]


def counted_in_order(batches: Sequence[Sequence[int]], restarts: frozenset[int], rivals: bool) -> tuple[object, ...]:
    with tempfile.TemporaryDirectory() as folder:
        database = new_database(Path(folder))
        books = [ledger(database, strata=HALF) for _ in range(2 if rivals else 1)]
        for at, batch in enumerate(batches):
            if at in restarts:
                books[0] = ledger(database, strata=HALF)
            requests = [prepared(CALLS[n], strata=HALF) for n in batch]
            books[at % len(books)].commit(requests, NOW)
        found = without_time(database), samples.waiting(database), sampled(database)
        database.dispose()
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.frozensets(st.integers(0, 8), max_size=3), st.booleans())
def test_any_order_any_repetition_and_any_restart_count_the_same(
    data: st.DataObject, restarts: frozenset[int], rivals: bool
) -> None:
    numbers = list(range(len(CALLS)))
    again = data.draw(st.lists(st.sampled_from(numbers), max_size=15))
    order = data.draw(st.permutations([*numbers, *again]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=8)))
    batches = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    assert counted_in_order(batches, restarts, rivals) == counted_in_order([numbers], frozenset(), False)


def test_drawn_and_generations_are_counted_by_stratum(database: Database) -> None:
    random.seed(1)
    told = [prepared(call(n, trace=random.getrandbits(120), failed=n % 4 == 0), strata=HALF) for n in range(1, 401)]
    ledger(database, strata=HALF).commit(told, NOW)
    found = totals(database)
    assert found["generations outcome=bad stratum=failed"] == found["drawn stratum=failed"] == 100
    assert found["generations outcome=good stratum=default"] == 300
    assert 115 < found["drawn stratum=default"] < 185
    assert sampled(database) == samples.waiting(database) == found["drawn stratum=default"] + 100


def test_two_writers_of_one_source_lose_nothing_and_count_nothing_twice(database: Database) -> None:
    one, other = ledger(database), ledger(database)
    one.open(NOW)
    other.open(NOW)
    one.commit([prepared(call(1))], NOW)
    receipt = other.commit([prepared(call(1), call(2))], NOW)
    assert (receipt.conflicts, receipt.duplicates, len(receipt.counted)) == (1, 1, 1)
    assert one.commit([prepared(call(3))], NOW).conflicts == 1
    assert totals(database)["drawn stratum=default"] == 3


def test_two_shards_that_are_told_one_call_count_it_once(database: Database) -> None:
    for shard in ("0", "1"):
        OtlpLedger(database, shard, 2000, ledger(database).settings).commit([prepared(call(1))], NOW)
    assert totals(database, "otlp:0")["drawn stratum=default"] == 1
    assert totals(database, "otlp:1") == {}


def test_a_full_disk_loses_nothing_that_was_confirmed_and_confirms_nothing_that_is_lost(tmp_path: Path) -> None:
    database = new_database(tmp_path)
    book = ledger(database)
    book.commit([prepared(call(1))], NOW)
    full = Full(database)
    with full, pytest.raises(StorageFull):
        book.commit([prepared(*(call(n, told=LONG) for n in range(2, 200)))], NOW + 1)
    assert totals(database)["drawn stratum=default"] == samples.waiting(database) == 1
    book.commit([prepared(call(2))], NOW + 2)
    assert totals(database)["drawn stratum=default"] == samples.waiting(database) == 2
    database.dispose()


class Full:
    """A disk without room: SQLite may use no page more than it has, and every page is taken."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine

    def __enter__(self) -> None:
        event.listen(self._engine, "checkout", self._checkout)
        self._engine.dispose()

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "checkout", self._checkout)
        self._engine.dispose()

    def _checkout(self, connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count=1")  # SQLite takes the present size where that is more


# Target-time.


def time_of(database: Database, state: str) -> float:
    return sum(n for (_, measure, _), n in rows_of(database).items() if measure == f"target_time state={state}") / 1000


def beats(book: OtlpLedger, begin: float, end: float) -> None:
    for at in range(int(begin), int(end) + 1, 5):
        book.commit((), float(at))


def test_time_without_traffic_is_covered_for_ten_minutes(database: Database) -> None:
    book = ledger(database)
    book.commit((), NOW)
    book.commit([prepared(call())], NOW + 5)
    beats(book, NOW + 10, NOW + 2000)
    assert time_of(database, "expected") == time_of(database, "covered") == pytest.approx(610, abs=5)


def test_nobody_is_expected_before_the_first_call(database: Database) -> None:
    beats(ledger(database), NOW, NOW + 100)
    assert rows_of(database) == {}


def test_the_gap_of_a_restart_is_expected_and_not_covered(database: Database) -> None:
    book = ledger(database)
    book.commit([prepared(call())], NOW)
    beats(book, NOW, NOW + 60)
    again = ledger(database)
    again.listening_since = NOW + 90
    beats(again, NOW + 100, NOW + 120)
    assert (time_of(database, "expected"), time_of(database, "covered")) == (120, 90)


def test_time_without_a_port_is_not_covered(database: Database) -> None:
    ledger(database).commit([prepared(call())], NOW)
    again = ledger(database)
    again.listening_since = None
    beats(again, NOW, NOW + 50)
    assert (time_of(database, "expected"), time_of(database, "covered")) == (50, 0)


def test_time_in_which_commits_failed_is_not_covered(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    book = ledger(database)
    book.commit([prepared(call())], NOW)
    with monkeypatch.context() as patch:
        patch.setattr("storage.generations.add", failing)
        for at in (10, 20):
            with pytest.raises(StorageError):
                book.commit([prepared(call(2))], NOW + at)
    book.commit((), NOW + 25)
    assert (time_of(database, "expected"), time_of(database, "covered")) == (25, 5)


def failing(*_: object) -> None:
    raise StorageBusy("locked")


def test_a_process_that_slept_has_watched_nothing(database: Database) -> None:
    book = ledger(database)
    book.commit([prepared(call())], NOW)
    book.commit((), NOW + 500)
    assert (time_of(database, "expected"), time_of(database, "covered")) == (500, 0)


def test_a_clock_that_jumps_back_counts_no_time_twice(database: Database) -> None:
    book = ledger(database)
    book.commit([prepared(call())], NOW)
    beats(book, NOW, NOW + 50)
    beats(book, NOW + 20, NOW + 60)
    assert time_of(database, "expected") == time_of(database, "covered") == 60


# Housekeeping.


def test_what_is_forgotten_is_refused_when_it_comes_again(database: Database) -> None:
    book = ledger(database)
    said = {"gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "yes"}]}]'}
    book.commit([prepared(call(1, end=NOW, told=said))], NOW)
    later = NOW + DAY + 3601
    assert book.keep_house(NOW + 3601) == 1
    assert len(generations.recent(database, 0.0)) == 1
    assert book.earliest(later) == NOW + 3601
    longer = ledger(database, retention={"unsampled": 3 * DAY, "sampled": 3 * DAY})
    longer.open(later)
    book.keep_house(later)
    longer.open(later)
    assert longer.earliest(later) == NOW + 1, "a longer retention brings back nothing that is gone"


def test_generations_live_as_long_as_their_kind(database: Database) -> None:
    none = (Stratum(name="default", probability=0.0),)
    book = ledger(database)
    book.commit([prepared(call(1, trace=1), strata=ALL), prepared(call(2, trace=2), strata=none)], NOW)
    assert len(generations.recent(database, 0.0)) == 2
    book.keep_house(NOW + DAY + 7200)
    assert [one.sampled for one in generations.recent(database, 0.0)] == [True]
    assert len(generations.trace(database, "0" * 31 + "1")[0]) == 1
    book.keep_house(NOW + 7 * DAY + 7200)
    assert generations.recent(database, 0.0) == []
    assert generations.trace(database, "0" * 31 + "1") == ([], [])
    assert samples.waiting(database) == 0
    assert totals(database)["drawn stratum=default"] == 1


def test_other_spans_are_kept_of_drawn_traces_and_not_counted(database: Database) -> None:
    ledger(database).commit([prepared(span(9, trace=1))], NOW)
    assert rows_of(database) == {}
    assert len(generations.trace(database, "0" * 31 + "1")[0]) == 1


def test_the_mark_of_what_is_forgotten_survives_a_rival(database: Database) -> None:
    book, rival = ledger(database), ledger(database)
    book.open(NOW)
    rival.commit([prepared(call())], NOW)
    book.keep_house(NOW)
    again = ledger(database, retention={"unsampled": 3 * DAY, "sampled": 3 * DAY})
    again.open(NOW)
    assert again.earliest(NOW) == NOW - DAY - 3600


def test_many_writers_at_once_count_each_call_once(database: Database) -> None:
    books = [OtlpLedger(database, str(n % 2), 2000, ledger(database).settings) for n in range(4)]
    told = [prepared(call(n, trace=n)) for n in range(1, 13)]

    def write(book: OtlpLedger) -> int:
        return sum(len(sent(book, one).counted) for one in told)

    def sent(book: OtlpLedger, one: Prepared) -> Receipt:
        while True:
            with suppress(StorageBusy):  # overtaken too often: the client sends again
                return book.commit([one], NOW)

    with ThreadPoolExecutor(len(books)) as pool:
        counted = sum(pool.map(write, books))
    assert counted == len(told) == len(generations.recent(database, 0.0)) == samples.waiting(database)
    assert sum(totals(database, f"otlp:{n}").get("drawn stratum=default", 0) for n in range(2)) == len(told)


def test_commits_go_on_while_old_generations_are_deleted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    book = ledger(database, strata=(Stratum(name="default", probability=0.0),))
    book.commit([prepared(*(call(n, end=NOW - n) for n in range(1, 21)), strata=book.settings.strata)], NOW)
    forget, later = generations.forget, NOW + DAY + 7200
    monkeypatch.setattr("storage.generations.forget", lambda *given: forget(*given, most=6))
    left: list[int] = []

    def breathe(_: float) -> None:
        with ThreadPoolExecutor(1) as other:
            told = prepared(call(100 + len(left), end=later - 1), now=later)
            assert len(other.submit(book.commit, [told], later).result(20).counted) == 1
        left.append(len(generations.recent(database, 0.0)))

    monkeypatch.setattr("collector.otlp.commit.time.sleep", breathe)
    book.keep_house(later)
    assert left == [20 - 6 + 1, 20 - 12 + 2, 20 - 18 + 3, 4]
