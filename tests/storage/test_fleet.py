from __future__ import annotations

from storage import fleet
from storage.database import Database
from storage.fleet import TargetHealth

A = TargetHealth("http://a", "one", "job", {"model": "m"}, 15.0, 100.0, [{"model": "m"}], ["requests"], up=True)
B = TargetHealth("http://b", "two", "job", {}, 15.0, 50.0, left_at=500.0)


def put(database: Database, *targets: TargetHealth) -> None:
    with database.write() as connection:
        fleet.put_targets(connection, targets)


def shard(database: Database, name: str, through: float, *capped: str) -> None:
    with database.write() as connection:
        fleet.put_shard(connection, name, through, 0.0, through, {"capped": capped} if capped else {})


def test_health_is_read_as_it_was_written_and_the_last_word_counts(database: Database) -> None:
    put(database, A, B)
    assert fleet.targets(database, with_left=True) == [A, B]
    assert fleet.targets(database) == [A]
    changed = TargetHealth(**{**A.__dict__, "up": False, "error": "refused"})
    put(database, changed)
    assert fleet.targets(database) == [changed]
    put(database)


def test_the_watermark_is_that_of_the_slowest_shard(database: Database) -> None:
    with database.read() as connection:
        assert fleet.watermark(connection) is None
    shard(database, "one", 120.0)
    shard(database, "two", 60.0)
    shard(database, "one", 180.0)
    with database.read() as connection:
        assert fleet.watermark(connection) == 60.0


def test_capped_measures_of_all_shards_are_named_once(database: Database) -> None:
    shard(database, "one", 1.0, "ttft", "requests")
    shard(database, "two", 1.0, "ttft")
    shard(database, "three", 1.0)
    with database.read() as connection:
        assert fleet.capped(connection) == ["requests", "ttft"]


def test_a_job_is_watched_since_its_first_target_even_when_that_has_left(database: Database) -> None:
    assert fleet.job_watched_since(database, "job") is None
    put(database, A, B)
    assert fleet.job_watched_since(database, "job") == 50.0


def test_what_left_long_ago_is_forgotten_by_its_own_shard(database: Database) -> None:
    put(database, A, B)
    for name, before in (("one", 1e9), ("two", 500.0)):
        with database.write() as connection:
            fleet.forget_targets(connection, name, before)
    assert fleet.targets(database, with_left=True) == [A, B]
    with database.write() as connection:
        fleet.forget_targets(connection, "two", 500.1)
    assert fleet.targets(database, with_left=True) == [A]


def test_targets_that_a_new_process_of_a_shard_does_not_know_have_left(database: Database) -> None:
    put(
        database,
        A,
        TargetHealth("http://c", "one", "job", {}, 15.0, 1.0),
        TargetHealth("http://d", "two", "job", {}, 15.0, 1.0),
    )
    with database.write() as connection:
        fleet.leave_missing(connection, "one", {"http://a"}, (), 700.0)
    assert {t.url: t.left_at for t in fleet.targets(database, with_left=True)} == {
        "http://a": None,
        "http://c": 700.0,
        "http://d": None,
    }


def test_a_shard_that_said_how_late_it_is_is_not_behind_its_promise(database: Database) -> None:
    with database.read() as connection:
        assert fleet.pulse(connection) is None
    shard(database, "one", 180.0)
    with database.write() as connection:
        fleet.put_shard(connection, "0/prometheus:main", 100.0, 0.0, 200.0, {"lag": 120.0, "answered_through": 100.0})
    with database.read() as connection:
        assert (fleet.watermark(connection), fleet.pulse(connection)) == (100.0, 180.0)
    with database.write() as connection:  # it goes on without answers
        fleet.put_shard(connection, "0/prometheus:main", 190.0, 0.0, 200.0, {"lag": 20.0, "answered_through": 100.0})
    with database.read() as connection:
        assert (fleet.watermark(connection), fleet.pulse(connection)) == (180.0, 120.0)
        assert fleet.shard_state(connection, "0/prometheus:main") == (190.0, {"lag": 20.0, "answered_through": 100.0})
        assert fleet.shard_state(connection, "none") is None
        assert fleet.heard_since(connection, "one", 180.0)
        assert not fleet.heard_since(connection, "one", 181.0)
        assert not fleet.heard_since(connection, "none", 0.0)


def test_shards_that_are_no_more_hold_no_watermark_back_and_their_targets_have_left(database: Database) -> None:
    names = ("0/prometheus:a", "0/prometheus:b", "10/prometheus:a", "0")
    for through, name in enumerate(names):
        shard(database, name, float(through))
        put(database, TargetHealth(f"of {name}", name, "job", {}, 15.0, 50.0))
    with database.write() as connection:
        assert fleet.end_shards(connection, "0/prometheus:", {"0/prometheus:b"}, 900.0) == ["0/prometheus:a"]
    with database.read() as connection:
        assert fleet.watermark(connection) == 1.0
    left = {one.shard: one.left_at for one in fleet.targets(database, with_left=True)}
    assert left == {"0/prometheus:a": 900.0, "0/prometheus:b": None, "10/prometheus:a": None, "0": None}
