from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import StorageError
from core.measures import Group
from storage import generations
from storage.database import Database
from storage.generations import Generation, Span

NOW = 1_767_225_600.0
GROUP: Group = (("model", "m"), ("version", "v1"))
ONE = Generation(
    "a" * 32, "b" * 16, NOW, NOW + 1, GROUP, "chat", "good", "excluded", 1.5, "default", 0.25, True, output_tokens=3
)
STEP = Span("a" * 32, "b" * 16, None, "shop", "chat m", 3, NOW - 1, NOW, None, {"n": 1}, [{"name": "token", "at": NOW}])


def call(number: int, **changes: object) -> Generation:
    return replace(ONE, span_id=f"{number:016x}", **changes)  # type: ignore[arg-type]  # fields of any type


def add(database: Database, *found: Generation) -> None:
    with database.write() as connection:
        generations.add(connection, found)


def ids(found: list[Generation]) -> list[int]:
    return [int(one.span_id, 16) for one in found]


def test_what_is_stored_comes_back(database: Database) -> None:
    full = replace(
        ONE,
        provider="vllm",
        error_type="timeout",
        finish_reason="stop",
        streamed=True,
        input_tokens=2**40,
        cached_tokens=0,
        ttft=0.25,
        itl=0.125,
        cost_micros=7,
        dialect="genai-1.41",
        cache_write_tokens=3,
        reasoning_tokens=2,
        tool_calls=2,
        tool_names=["look_up"],
        retrieval=[{"id": "d", "score": 0.5, "changed_at": 1.5}],
    )
    bare = call(1, at=NOW + 1)
    add(database, full, bare)
    assert generations.recent(database, NOW) == [bare, full]


def test_only_what_no_row_has_is_fresh(database: Database) -> None:
    add(database, *(call(n) for n in range(0, 1500, 2)))
    wanted = [(ONE.trace_id, f"{n:016x}") for n in range(1500)]
    with database.read() as connection:
        assert generations.fresh(connection, [*wanted, *wanted]) == set(wanted[1::2])
        assert generations.fresh(connection, []) == set()
        assert generations.fresh(connection, [("c" * 32, f"{0:016x}")]) == {("c" * 32, f"{0:016x}")}


def test_a_generation_is_stored_once(database: Database) -> None:
    add(database, ONE)
    with pytest.raises(StorageError):
        add(database, ONE)


def test_the_newest_come_first_and_no_more_than_asked(database: Database) -> None:
    add(database, *(call(n, at=NOW + n) for n in range(5)))
    assert ids(generations.recent(database, NOW + 1, limit=3)) == [4, 3, 2]


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ((), [5, 4, 3, 2, 1]),
        ((("model", "m"),), [2, 1]),
        ((("model", "M"),), [3]),
        ((("model", "m"), ("version", "v2")), [2]),
        ((("model", "50%_"),), [4]),
        ((("model", 'q"x'),), [5]),
        ((("del", "m"),), []),
        ((("model", ""),), []),
    ],
)
def test_a_group_is_matched_exactly_in_what_it_names(database: Database, group: Group, found: list[int]) -> None:
    models = ["m", "m", "M", "50%_", 'q"x']
    versions = ["v1", "v2", "v1", "v1", "v1"]
    for n, (model, version) in enumerate(zip(models, versions, strict=True), 1):
        add(database, call(n, at=NOW + n, group=(("model", model), ("version", version))))
    assert ids(generations.recent(database, NOW, group)) == found


def test_sampled_and_failed_ones_alone(database: Database) -> None:
    add(database, call(1), call(2, sampled=False), call(3, outcome="bad"), call(4, outcome="bad", sampled=False))
    assert sorted(ids(generations.recent(database, NOW, sampled_only=True))) == [1, 3]
    assert sorted(ids(generations.recent(database, NOW, failed_only=True))) == [3, 4]


def test_spans_are_stored_once_and_come_by_their_start(database: Database) -> None:
    later = replace(STEP, span_id="c" * 16, parent_id="b" * 16, started_at=NOW, error="timeout")
    with database.write() as connection:
        generations.add_spans(connection, [later, STEP, STEP])
    with database.write() as connection:
        generations.add_spans(connection, [replace(STEP, name="another"), replace(STEP, trace_id="d" * 32)])
    add(database, ONE)
    assert generations.trace(database, ONE.trace_id) == ([STEP, later], [ONE])
    assert generations.trace(database, "e" * 32) == ([], [])


def test_what_is_old_is_forgotten_by_its_kind(database: Database) -> None:
    day = 86_400.0
    add(database, *(call(n, at=NOW - n * day, sampled=n % 2 == 0) for n in range(10)))
    with database.write() as connection:
        generations.add_spans(connection, [STEP, replace(STEP, span_id="c" * 16, ended_at=NOW - 8 * day)])
        assert generations.forget(connection, NOW - 1.5 * day, NOW - 6.5 * day) == 6
    assert ids(generations.recent(database, 0.0)) == [0, 1, 2, 4, 6]
    assert generations.trace(database, STEP.trace_id)[0] == [STEP]


def test_what_is_old_goes_in_slices_the_oldest_first(database: Database) -> None:
    add(database, *(call(n, at=NOW - n, sampled=False) for n in range(1, 13)))
    left = []
    for _ in range(4):
        with database.write() as connection:
            generations.forget(connection, NOW, 0.0, most=5)
        left.append(sorted(ids(generations.recent(database, 0.0))))
    assert left == [[1, 2, 3, 4, 5, 6, 7], [1, 2], [], []]


def test_a_slice_holds_all_of_one_moment(database: Database) -> None:
    add(database, *(call(n, at=NOW - 1, sampled=False) for n in range(9)))
    with database.write() as connection:
        assert generations.forget(connection, NOW, 0.0, most=5) == 9
