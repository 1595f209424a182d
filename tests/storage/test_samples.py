from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from storage import samples
from storage.database import Database
from storage.samples import Sample

NOW = 1_767_225_600.0
TTL = 60.0


def drawn(number: int, *, at: float = NOW, lives: float = 3600.0, text: bytes | None = b"sealed") -> Sample:
    return Sample("a" * 32, f"{number:016x}", at, at, at + lives, (("model", "m"),), "default", 0.25, text)


def put(database: Database, *found: Sample) -> None:
    with database.write() as connection:
        samples.put(connection, found)


def numbers(found: list[Sample]) -> list[int]:
    return [int(one.span_id, 16) for one in found]


def finish(database: Database, holder: str, found: list[Sample]) -> int:
    with database.write() as connection:
        return len(samples.finish(connection, holder, [one.id for one in found]))


def test_what_is_put_is_leased_oldest_first_with_its_text(database: Database) -> None:
    put(database, *(drawn(n) for n in range(5)))
    found = samples.lease(database, "one", NOW, TTL, 3)
    assert numbers(found) == [0, 1, 2]
    first = found[0]
    assert (first.text, first.group, first.probability, first.attempts) == (b"sealed", (("model", "m"),), 0.25, 0)
    assert samples.waiting(database) == 5


def test_a_lease_holds_until_it_ends(database: Database) -> None:
    put(database, drawn(1))
    (held,) = samples.lease(database, "one", NOW, TTL, 10)
    assert samples.lease(database, "two", NOW + TTL - 1, TTL, 10) == []
    assert samples.renew(database, "one", [held.id], NOW + TTL - 1, TTL) == {held.id}
    assert samples.lease(database, "two", NOW + TTL, TTL, 10) == []
    (taken,) = samples.lease(database, "two", NOW + 2 * TTL, TTL, 10)
    assert (taken.id, taken.attempts) == (held.id, 1)
    assert samples.renew(database, "one", [held.id], NOW, TTL) == set()


def test_only_the_holder_finishes_and_then_the_text_is_gone(database: Database) -> None:
    put(database, drawn(1))
    held = samples.lease(database, "one", NOW, TTL, 10)
    assert finish(database, "two", held) == 0
    assert samples.waiting(database) == 1
    assert finish(database, "one", held) == 1
    assert finish(database, "one", held) == 0
    assert samples.waiting(database) == 0


def test_workers_that_lease_together_share_nothing(database: Database) -> None:
    put(database, *(drawn(n) for n in range(40)))
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda n: samples.lease(database, f"worker-{n}", NOW, TTL, 10), range(8)))
    found = [one.id for part in held for one in part]
    assert len(found) == len(set(found)) == 40


def test_texts_are_wiped_when_their_time_is_over(database: Database) -> None:
    put(database, drawn(1, lives=10.0), drawn(2), drawn(3, lives=10.0, text=None))
    with database.write() as connection:
        assert samples.wipe_expired(connection, NOW + 10) == 1
        assert samples.wipe_expired(connection, NOW + 10) == 0
    assert numbers(samples.lease(database, "one", NOW + 10, TTL, 10)) == [2]
    assert samples.waiting(database) == 3


def test_what_has_expired_is_taken_without_its_text_unless_it_is_being_scored(database: Database) -> None:
    put(database, drawn(1, lives=10.0), drawn(2, lives=30.0))
    samples.lease(database, "scoring", NOW, TTL, 1)
    assert samples.take_expired(database, "one", NOW + 20, TTL, 10) == []
    assert numbers(samples.take_expired(database, "one", NOW + 30, TTL, 10)) == [2]
    assert numbers(samples.take_expired(database, "two", NOW + TTL, TTL, 10)) == [1]
    assert samples.lease(database, "three", NOW + 10 * TTL, TTL, 10) == []


def test_what_nobody_ever_finished_is_forgotten(database: Database) -> None:
    put(database, drawn(1), drawn(2, at=NOW + 5))
    with database.write() as connection:
        assert samples.forget(connection, NOW + 5) == 1
    assert numbers(samples.lease(database, "one", NOW + 6, TTL, 10)) == [2]
