from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from core.clock import ManualClock
from core.texts import TextCipher
from safety_eval.detectors.port import Item, Verdict
from safety_eval.worker import EXPIRED, GIVEN_UP, NO_TEXT, Worker, portions
from storage import samples, scores
from storage.database import Database
from storage.samples import Sample
from storage.scores import CLEAR, FAILED, FLAGGED, NOT_APPLICABLE
from storage.tables import sample
from tests.safety_eval.world import START, Fails, Words, counted, put, scored, sealed, worker


def finish(one: Worker) -> set[int]:
    return one.commit(one.judge(one.lease()))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START + 10)


def test_a_batch_is_scored_counted_and_its_text_deleted(database: Database, clock: ManualClock) -> None:
    put(database, sealed(1, "bad"), sealed(2, "good"), sealed(3, "good", stratum="errors"), sealed(4, ""))
    assert len(finish(worker(database, clock))) == 4
    expected = {
        ("pii", "r1", "all", FLAGGED): 1,
        ("pii", "r1", "all", CLEAR): 1,
        ("pii", "r1", "errors", CLEAR): 1,
        ("pii", "r1", "all", NOT_APPLICABLE): 1,
    }
    assert counted(database) == scored(database) == expected
    assert samples.waiting(database) == 0


def test_later_batches_add_to_the_rows_of_the_same_minute(database: Database, clock: ManualClock) -> None:
    for n in range(3):
        put(database, sealed(n, "good"))
        finish(worker(database, clock, holder=f"h{n}"))  # a new process each time: it knows no checkpoint
    assert counted(database) == scored(database) == {("pii", "r1", "all", CLEAR): 3}


def test_a_crash_between_score_and_commit_counts_nothing_twice(database: Database, clock: ManualClock) -> None:
    put(database, *(sealed(n, "good") for n in range(5)))
    first = worker(database, clock, "first")
    late = first.judge(first.lease())
    second = worker(database, clock, "second")
    assert second.lease() == []
    clock.advance(61)
    assert len(finish(second)) == 5
    assert first.commit(late) == set()
    assert counted(database) == scored(database) == {("pii", "r1", "all", CLEAR): 5}


def test_only_what_is_still_held_is_written(database: Database, clock: ManualClock) -> None:
    put(database, sealed(1, "good"), sealed(2, "good"))
    first = worker(database, clock, "first")
    verdicts = first.judge(first.lease())
    clock.advance(61)
    taken = worker(database, clock, "second", batch=1).lease()
    assert first.commit(verdicts) == set(verdicts) - {taken[0].id}
    assert counted(database) == scored(database) == {("pii", "r1", "all", CLEAR): 1}


def test_a_renewed_lease_is_kept(database: Database, clock: ManualClock) -> None:
    put(database, sealed(1, "good"))
    first = worker(database, clock, "first")
    held = first.lease()
    for _ in range(4):
        clock.advance(40)
        first.renew(held)
        assert worker(database, clock, "second").lease() == []
    assert len(first.commit(first.judge(held))) == 1


def test_a_failed_commit_writes_nothing_at_all(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, sealed(1, "good"))
    one = worker(database, clock)
    verdicts = one.judge(one.lease())
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(scores, "put", lambda *_: 1 // 0)
        one.commit(verdicts)
    assert (counted(database), scored(database), samples.waiting(database)) == ({}, {}, 1)
    one.commit(verdicts)
    assert counted(database) == scored(database) == {("pii", "r1", "all", CLEAR): 1}


def test_several_workers_at_once_count_each_sample_once(database: Database, clock: ManualClock) -> None:
    put(database, *(sealed(n, "bad" if n % 3 == 0 else "good", stratum="ab"[n % 2]) for n in range(60)))

    def drain(holder: str) -> None:
        one = worker(database, clock, holder, batch=4)
        while held := one.lease():
            one.commit(one.judge(held))

    threads = [threading.Thread(target=drain, args=(f"h{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counted(database) == scored(database)
    assert sum(counted(database).values()) == 60
    assert counted(database)["pii", "r1", "a", FLAGGED] == 10
    assert samples.waiting(database) == 0


def test_a_new_revision_is_a_new_series(database: Database, clock: ManualClock) -> None:
    for n, revision in enumerate(("r1", "r2")):
        put(database, sealed(n, "good"))
        finish(worker(database, clock, detectors=[Words(revision=revision)]))
    assert counted(database) == {("pii", "r1", "all", CLEAR): 1, ("pii", "r2", "all", CLEAR): 1}


def test_what_cannot_be_judged_has_failed_with_its_reason(database: Database, clock: ManualClock) -> None:
    put(database, sealed(1, None), sealed(2, "good"))
    finish(worker(database, clock, cipher=TextCipher(b"x" * 32)))
    put(database, sealed(3, "boom"), sealed(4, "good"))
    finish(worker(database, clock, detectors=[Fails()]))
    reasons = {row.trace_id[-1]: (row.verdict, row.reason, row.score) for row in scores.recent(database, 0)}
    assert reasons["1"] == (FAILED, NO_TEXT, None)
    assert reasons["2"][0] == FAILED
    assert "another key" in str(reasons["2"][1])
    assert reasons["3"] == (FAILED, "the model failed: RuntimeError", None)
    assert reasons["4"] == (CLEAR, None, 0.0)
    assert counted(database) == scored(database)


def test_an_expired_sample_fails_and_its_text_goes(database: Database, clock: ManualClock) -> None:
    put(database, sealed(1, "good", ttl=60), sealed(2, "good"))
    one = worker(database, clock)
    held = one.lease()
    clock.advance(51)
    assert worker(database, clock, "two").take_expired() == [], "it is being scored"
    clock.advance(10)
    other = worker(database, clock, "two")
    expired = other.take_expired()
    with database.read() as connection:
        texts = connection.execute(select(func.count(sample.c.text))).scalar_one()
    assert (len(expired), texts) == (1, 1)
    other.commit(other.write_off(expired))
    assert len(one.commit(one.judge(held))) == 1
    assert {(row.verdict, row.reason) for row in scores.recent(database, 0)} == {(FAILED, EXPIRED), (CLEAR, None)}
    assert counted(database) == scored(database)


class Killer:
    """Dies of one text, as a process does: nothing of ours runs afterwards."""

    name, revision = "pii", "r1"

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        if any(item.output == "deadly" for item in items):
            raise KeyboardInterrupt
        return Words().score(items)


def test_a_text_that_kills_evaluators_takes_no_other_with_it(database: Database, clock: ManualClock) -> None:
    put(database, *(sealed(n, "deadly" if n == 2 else "good") for n in range(5)))
    for life in range(4):
        one = worker(database, clock, f"life {life}", detectors=[Killer()])
        try:
            for portion in portions(one.lease()):
                one.commit(one.judge(portion))
        except KeyboardInterrupt:
            clock.advance(61)
    found = {row.trace_id[-1]: (row.verdict, row.reason) for row in scores.recent(database, 0)}
    assert found == {**dict.fromkeys("0134", (CLEAR, None)), "2": (FAILED, GIVEN_UP)}


@given(st.lists(st.integers(0, 3), max_size=12))
def test_portions_are_all_samples_once_and_tried_ones_stand_alone(attempts: list[int]) -> None:
    held = [Sample(str(n), "", 0, 0, 0, (), "", 1, b"", attempts=a, id=n) for n, a in enumerate(attempts)]
    found = portions(held)
    assert sorted(one.id for portion in found for one in portion) == list(range(len(held)))
    assert all(len(portion) == 1 or not any(one.attempts for one in portion) for portion in found)
