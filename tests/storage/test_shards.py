"""Sets of collector shards: who owns a target, and up to when all of them together are."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from storage import fleet
from storage.database import Database
from storage.fleet import TargetHealth
from storage.shards import Member, member_of, set_of, watermark_of
from storage.tables import audit


@given(st.text(), st.integers(1, 40))
def test_every_target_belongs_to_exactly_one_member(url: str, of: int) -> None:
    assert sum(member.owns(url) for member in set_of(of)) == 1


def test_targets_are_spread_evenly() -> None:
    found = Counter(
        member.place
        for number in range(8000)
        for member in set_of(8)
        if member.owns(f"http://10.0.{number % 250}.{number}:8000/metrics")
    )
    assert min(found.values()) > 850
    assert max(found.values()) < 1150


@pytest.mark.parametrize("name", ["0", "eu", "2-of", "of-8", "x-of-8", "2-of-8-", ""])
def test_other_names_stand_alone(name: str) -> None:
    assert member_of(name) is None


def test_a_member_is_known_by_its_name() -> None:
    assert member_of(Member(2, 8).name) == Member(2, 8)


@pytest.mark.parametrize(
    ("through", "expected"),
    [
        ({}, None),
        ({"a": 5.0, "b": 3.0}, 3.0),
        ({"0-of-2": 5.0, "1-of-2": 4.0}, 4.0),
        ({"0-of-2": 5.0, "1-of-2": 4.0, "a": 3.0}, 3.0),
        ({"0-of-2": 5.0, "1-of-2": 4.0, "0-of-1": 6.0}, 6.0),
        ({"0-of-2": 5.0, "1-of-2": 4.0, "0-of-3": 9.0, "1-of-3": 9.0, "2-of-3": 4.0}, 4.0),
        ({"0-of-2": 5.0, "1-of-2": 4.0, "0-of-3": 9.0, "1-of-3": 9.0}, 4.0),
        ({"0-of-2": 5.0}, 5.0),
    ],
    ids=str,
)
def test_the_watermark_is_that_of_the_farthest_whole_set(through: dict[str, float], expected: float | None) -> None:
    assert watermark_of(through) == expected


def put(database: Database, name: str, through: float) -> None:
    with database.write() as connection:
        fleet.put_shard(connection, name, through, 0.0, through, {"targets": 1})


def watermark(database: Database) -> float | None:
    with database.read() as connection:
        return fleet.watermark(connection)


def announce(database: Database, member: Member, now: float) -> None:
    with database.write() as connection:
        fleet.announce(connection, member, now)


def test_the_watermark_waits_for_members_that_have_never_run(database: Database) -> None:
    announce(database, Member(0, 3), 100.0)
    put(database, "0-of-3", 160.0)
    assert watermark(database) == 100.0
    announce(database, Member(1, 3), 170.0)
    put(database, "1-of-3", 170.0)
    assert watermark(database) == 100.0
    put(database, "2-of-3", 175.0)
    assert watermark(database) == 160.0


def test_another_set_takes_over_when_all_of_it_is_ahead_and_the_watermark_never_goes_back(database: Database) -> None:
    announce(database, Member(0, 2), 100.0)
    seen = []
    steps = [
        *(("0-of-2", 110.0), ("1-of-2", 110.0), ("0-of-3", 120.0), ("1-of-3", 121.0), ("0-of-2", 125.0)),
        *(("1-of-2", 124.0), ("2-of-3", 122.0), ("0-of-3", 140.0), ("1-of-3", 140.0), ("2-of-3", 141.0)),
    ]
    for name, through in steps:
        if name == "0-of-3":
            announce(database, Member(0, 3), through)
        put(database, name, through)
        seen.append(watermark(database))
    assert seen == [100.0, 110.0, 110.0, 110.0, 110.0, 124.0, 124.0, 124.0, 124.0, 140.0]


def test_a_member_answers_for_its_targets_whoever_had_them(database: Database) -> None:
    own, other = Member(0, 2), Member(1, 2)
    urls = [f"http://t{number}" for number in range(20)]
    mine = {url for url in urls if own.owns(url)}
    with database.write() as connection:
        fleet.put_targets(connection, [TargetHealth(url, "3-of-5", "job", {}, 15.0, 1.0) for url in urls])
        fleet.put_targets(
            connection,
            [
                TargetHealth("http://alone", "eu", "job", {}, 15.0, 1.0),
                TargetHealth("http://unknown", "3-of-5", "other", {}, 15.0, 1.0),
                TargetHealth("http://own-part", other.name, fleet.OWN_JOB, {}, 15.0, 1.0),
            ],
        )
        stays = min(mine)
        fleet.leave_missing(connection, own.name, {stays}, ("other",), 700.0)
    left = {one.url for one in fleet.targets(database, with_left=True) if one.left_at is not None}
    assert left == mine - {stays}


def test_a_retired_shard_is_waited_for_no_more(database: Database) -> None:
    put(database, "eu", 100.0)
    put(database, "us", 200.0)
    with database.write() as connection:
        fleet.put_targets(connection, [TargetHealth("http://a", "eu", "job", {}, 15.0, 1.0)])
        fleet.retire(connection, ["eu"], 300.0, "ada")
    assert watermark(database) == 200.0
    assert fleet.targets(database) == []
    with database.read() as connection:
        assert [one.name for one in fleet.shards(connection)] == ["us"]
        assert connection.execute(select(audit.c.action, audit.c.actor)).all() == [("shard.retire", "ada")]
