"""Deployments: stored with their audit row, and once however often they are sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import deployments
from storage.database import Database
from storage.deployments import Deployment
from storage.tables import audit

FIRST = Deployment(0, 100.0, "llama", "v2", None, 0.1, "ramp", "ada", 101.0)


@pytest.fixture
def db(database: Database) -> Database:
    return database


def test_it_is_stored_with_an_audit_row(db: Database) -> None:
    stored = deployments.add(db, FIRST)
    assert deployments.since(db, 100.0) == [stored] == [replace(FIRST, id=stored.id)]
    with db.read() as connection:
        (row,) = connection.execute(audit.select())
    assert (row.actor, row.action, row.subject) == ("ada", "deployment.add", str(stored.id))
    assert row.detail == {"at": 100.0, "model": "llama", "version": "v2", "region": None, "share": 0.1, "note": "ramp"}


def test_the_same_sent_again_is_the_first_whoever_sends_it(db: Database) -> None:
    stored, fresh = deployments.add_once(db, FIRST)
    again = deployments.add_once(db, replace(FIRST, note="again", created_by="bob", created_at=102.0))
    assert (fresh, again) == (True, (stored, False))
    with db.read() as connection:
        assert len(connection.execute(audit.select()).all()) == 1


@pytest.mark.parametrize(
    "other", [{"at": 100.5}, {"model": None}, {"version": "v3"}, {"region": "eu"}, {"share": None}]
)
def test_what_differs_in_place_time_or_share_is_another(db: Database, other: dict[str, object]) -> None:
    deployments.add(db, FIRST)
    _, fresh = deployments.add_once(db, replace(FIRST, **other))  # type: ignore[arg-type]
    assert fresh


def test_unknown_values_are_the_same_when_both_are_unknown(db: Database) -> None:
    bare = replace(FIRST, model=None, share=None)
    assert [deployments.add_once(db, bare)[1] for _ in range(2)] == [True, False]


def test_they_are_listed_from_a_time_oldest_first(db: Database) -> None:
    for at in (300.0, 100.0, 200.0):
        deployments.add(db, replace(FIRST, at=at))
    assert [one.at for one in deployments.since(db, 150.0)] == [200.0, 300.0]
    assert [one.at for one in deployments.since(db, 0.0, limit=1)] == [100.0]
