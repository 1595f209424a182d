from __future__ import annotations

from threading import Barrier, Thread

import pytest

from core.errors import LeaseLost
from storage import leases
from storage.database import Database


def test_one_holds_it_until_it_ends_and_each_new_holder_has_a_new_epoch(database: Database) -> None:
    assert leases.acquire(database, "engine", "a", now=0, ttl=10) == 1
    assert leases.acquire(database, "engine", "b", now=9.9, ttl=10) is None
    assert leases.acquire(database, "engine", "b", now=10, ttl=10) == 2
    assert leases.acquire(database, "engine", "a", now=11, ttl=10) is None
    assert leases.acquire(database, "engine", "a", now=20, ttl=10) == 3


def test_its_holder_renews_it_under_the_same_epoch_even_when_it_had_ended(database: Database) -> None:
    assert leases.acquire(database, "engine", "a", now=0, ttl=10) == 1
    assert leases.acquire(database, "engine", "a", now=8, ttl=10) == 1
    assert leases.acquire(database, "engine", "b", now=17, ttl=10) is None
    assert leases.acquire(database, "engine", "a", now=99, ttl=10) == 1


def test_only_its_holder_gives_it_back(database: Database) -> None:
    leases.acquire(database, "engine", "a", now=0, ttl=10)
    leases.release(database, "engine", "b")
    assert leases.acquire(database, "engine", "b", now=1, ttl=10) is None
    leases.release(database, "engine", "a")
    assert leases.acquire(database, "engine", "b", now=1, ttl=10) == 2


def test_leases_of_other_names_do_not_meet(database: Database) -> None:
    assert leases.acquire(database, "engine", "a", now=0, ttl=10) == 1
    assert leases.acquire(database, "evaluator", "b", now=0, ttl=10) == 1


def test_a_write_with_an_old_epoch_is_refused(database: Database) -> None:
    leases.acquire(database, "engine", "a", now=0, ttl=10)
    leases.acquire(database, "engine", "b", now=10, ttl=10)
    with database.write() as connection:
        leases.verify(connection, "engine", 2)
    with pytest.raises(LeaseLost), database.write() as connection:
        leases.verify(connection, "engine", 1)
    with pytest.raises(LeaseLost), database.write() as connection:
        leases.verify(connection, "unknown", 1)


def test_of_many_who_ask_at_once_one_gets_it(database: Database) -> None:
    leases.acquire(database, "engine", "before", now=0, ttl=1)
    barrier, found = Barrier(6), []

    def ask(name: str) -> None:
        barrier.wait()
        found.append(leases.acquire(database, "engine", name, now=5, ttl=10))

    threads = [Thread(target=ask, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == [2, None, None, None, None, None]
