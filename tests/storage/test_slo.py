from __future__ import annotations

import pytest

from core.errors import StorageError
from storage import slo
from storage.alerts import AlertEvent, append
from storage.database import Database
from storage.slo import AlertRow, StoredRevision

FIRING = AlertRow("success", "{}", "page", "firing", 60.0, 30.0, 0)
EVENT = AlertEvent(60.0, "success", "{}", "page", "firing", 30.0, {"slo": "success"}, {"summary": "é"}, {"n": 1.5})


def test_a_state_and_its_event_are_written_together_or_not_at_all(database: Database) -> None:
    with pytest.raises(StorageError), database.write() as connection:
        slo.put_alerts(connection, [FIRING])
        append(connection, EVENT)
        raise StorageError("the disk is full")
    assert slo.alert_rows(database) == [] and slo.events(database) == []
    with database.write() as connection:
        slo.put_alerts(connection, [FIRING])
        append(connection, EVENT)
    assert slo.alert_rows(database) == [FIRING]
    (found,) = slo.events(database)
    assert (found.labels, found.annotations, found.evidence) == (EVENT.labels, EVENT.annotations, EVENT.evidence)


def test_an_alert_has_one_state_by_slo_group_and_severity(database: Database) -> None:
    calm, ticket = FIRING._replace(state="ok", calm_ticks=1), FIRING._replace(severity="ticket")
    for rows in ([FIRING, ticket], [calm], []):
        with database.write() as connection:
            slo.put_alerts(connection, rows)
    assert set(slo.alert_rows(database)) == {calm, ticket}


def test_events_come_in_the_order_of_writing_and_by_slo_and_time(database: Database) -> None:
    with database.write() as connection:
        for at, name in ((60.0, "b"), (60.0, "a"), (120.0, "b")):
            append(connection, AlertEvent(at, name, "{}", "page", "firing", at, {}, {}, {}))
    assert [(one.at, one.slo) for one in slo.events(database)] == [(60.0, "b"), (60.0, "a"), (120.0, "b")]
    assert [one.at for one in slo.events(database, slo="b")] == [60.0, 120.0]
    assert [one.slo for one in slo.events(database, since=60.1)] == ["b"]


def test_status_is_replaced_as_a_whole(database: Database) -> None:
    assert slo.status_watermark(database) is None
    with database.write() as connection:
        slo.put_status(connection, [("b", "{}", {"sli": None}), ("a", "{}", {"sli": 0.5})], 60.0)
    assert slo.status(database) == [{"sli": 0.5}, {"sli": None}]
    with database.write() as connection:
        slo.put_status(connection, [("a", "{}", {"sli": 1.0})], 120.0)
    assert slo.status(database) == [{"sli": 1.0}]
    assert slo.status_watermark(database) == 120.0
    with database.write() as connection:
        slo.put_status(connection, [], 180.0)
    assert slo.status(database) == []


def test_revisions_come_by_time_and_keep_their_objective_exactly(database: Database) -> None:
    third = StoredRevision("a", 30.0, "x", "1/3", 2_592_000)
    first = StoredRevision("a", 10.0, "y", "999/1000", 2_592_000)
    with database.write() as connection:
        slo.add_revision(connection, third, {})
        slo.add_revision(connection, first, {"why": "looser"})
    assert slo.revisions(database) == [first, third]


def test_a_minute_is_noted_once_and_forgotten_when_it_is_old(database: Database) -> None:
    with database.write() as connection:
        for minute in (120, 60, 120):
            slo.add_evaluation(connection, minute, 130.0)
    assert slo.evaluations(database) == [60, 120]
    with database.write() as connection:
        slo.forget_evaluations(connection, 120)
    assert slo.evaluations(database) == [120]
