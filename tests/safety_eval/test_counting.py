from __future__ import annotations

import pytest
from sqlalchemy import select, update

from core.buckets import FIVE_MINUTES, HOURS, MINUTES
from core.clock import ManualClock
from core.errors import StorageBusy
from safety_eval.counting import row_of
from storage import samples
from storage.database import Database
from storage.tables import source
from tests.safety_eval.world import START, counted, put, scored, sealed, worker


def test_an_event_goes_to_the_finest_row_that_still_holds_it() -> None:
    for age, tier in ((0, MINUTES), (47 * 3600, MINUTES), (49 * 3600, FIVE_MINUTES), (8 * 86400, HOURS)):
        row = row_of(START - age, START)
        assert row.width == tier.width
        assert row.bucket <= START - age < row.bucket + row.width


def test_each_detector_revision_and_stratum_is_a_source_of_its_own(database: Database) -> None:
    clock = ManualClock(START)
    put(database, sealed(1, "good"), sealed(2, "good", stratum="errors"))
    one = worker(database, clock)
    one.commit(one.judge(one.lease()))
    with database.read() as connection:
        found = {(row.kind, row.key) for row in connection.execute(select(source.c.kind, source.c.key))}
    assert found == {("evaluation", "evaluation:pii@r1/all"), ("evaluation", "evaluation:pii@r1/errors")}


def test_a_source_that_another_moved_is_read_again(database: Database) -> None:
    clock = ManualClock(START)
    first, second = (worker(database, clock, holder, batch=1) for holder in ("a", "b"))
    for n in range(6):
        put(database, sealed(n, "good"))
        one = (first, second)[n % 2]
        one.commit(one.judge(one.lease()))
    assert counted(database) == scored(database) == {("pii", "r1", "all", "clear"): 6}


def test_nothing_is_written_when_others_are_always_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(START)
    put(database, sealed(1, "good"))
    one = worker(database, clock)
    verdicts = one.judge(one.lease())
    finish = samples.finish

    def overtaken(connection, holder, ids):
        connection.execute(update(source).values(version=source.c.version + 1))
        return finish(connection, holder, ids)

    with monkeypatch.context() as patch, pytest.raises(StorageBusy, match="20 times"):
        patch.setattr(samples, "finish", overtaken)
        one.commit(verdicts)
    assert (counted(database), scored(database), samples.waiting(database)) == ({}, {}, 1)
