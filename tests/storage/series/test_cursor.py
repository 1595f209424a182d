"""What a remote has not read stays; everything else goes as it always did."""

from __future__ import annotations

import errno
import json

import pytest

from core.errors import StorageError, StorageFull
from storage.series import SeriesLimits, Tail, forget_cursors, open_cursor, retain

AGE = 10**10
HUGE = 1 << 40
LATER = 7200 + 100


@pytest.fixture
def cursor(store):
    """A remote that began before anything was written."""
    store.directory.mkdir()
    made = open_cursor(store.directory, "a", "out", AGE, store.disk)
    made.save()
    return made


def fill(store, windows=1, shard="a"):
    """A closed segment in each window."""
    writer = store.writer(shard, SeriesLimits(segment_bytes=1))
    ref = writer.ref(store.series("up"))
    for window in range(windows):
        writer.add(store.start_ms + window * 7_200_000, [ref], [float(window)])
        writer.flush()
    store.close(writer)


def pass_all(store, cursor, count=None):
    for one in Tail(store.directory, "a", cursor.offsets).look()[:count]:
        cursor.advance(one.name, one.place.end)
    cursor.save()


def test_what_is_there_when_a_remote_is_new_is_not_for_it(store):
    fill(store, 2)
    cursor = open_cursor(store.directory, "a", "out", AGE)
    assert not cursor.resumed
    assert Tail(store.directory, "a", cursor.offsets).look() == []
    fill(store)
    assert len(Tail(store.directory, "a", cursor.offsets).look()) == 1


def test_a_cursor_is_found_again_where_it_was_left(store, cursor):
    fill(store, 3)
    pass_all(store, cursor, 2)
    again = open_cursor(store.directory, "a", "out", AGE)
    assert again.resumed
    assert [one.name for one in Tail(store.directory, "a", again.offsets).look()] == [store.segments()[2].name]


def test_a_cursor_never_goes_back(cursor):
    cursor.advance("a.0.1.seg", 10)
    cursor.advance("a.0.1.seg", 4)
    assert cursor.offsets == {"a.0.1.seg": 10}


def test_segments_that_were_not_read_are_not_compacted(store, cursor):
    fill(store, 2)
    assert store.compact().chunks == 0
    pass_all(store, cursor, 1)
    assert store.compact().chunks == 1
    assert len(store.segments()) == 1
    pass_all(store, cursor)
    assert store.compact().chunks == 1
    assert store.segments() == []


def test_a_segment_that_was_read_in_part_stays(store, cursor):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    for step in range(2):
        writer.add(store.start_ms + step, [ref], [0.0])
        writer.flush()
    pass_all(store, cursor, 1)
    store.close(writer)
    assert store.compact().chunks == 0
    assert retain(store.directory, store.window + 1e9, 0, 0) == 0


def test_retention_takes_only_what_every_remote_has_read(store, cursor):
    other = open_cursor(store.directory, "a", "other", AGE)
    other.save()
    fill(store, 3)
    pass_all(store, cursor, 2)
    pass_all(store, other, 1)
    assert retain(store.directory, store.window + 1e9, 0, 0) == 1
    assert len(store.segments()) == 2


def test_another_shard_is_not_held(store, cursor):
    fill(store, 1, shard="b")
    assert retain(store.directory, store.window + 1e9, 0, 0) == 1


def test_nothing_is_held_for_longer_than_the_remote_may(store):
    store.directory.mkdir()
    open_cursor(store.directory, "a", "out", 3600).save()
    fill(store)
    assert retain(store.directory, store.window + 7200 + 3600, 0, HUGE) == 0
    assert retain(store.directory, store.window + 7200 + 3601, 0, HUGE) == 1


def test_a_remote_that_is_gone_holds_nothing(store, cursor):
    fill(store)
    assert forget_cursors(store.directory, "a", {"other"}) == ["out"]
    assert store.names(".cursor") == []
    assert store.compact().chunks == 1


def test_cursors_of_other_shards_and_remotes_in_use_are_not_forgotten(store, cursor):
    open_cursor(store.directory, "b", "gone", AGE).save()
    assert forget_cursors(store.directory, "a", {"out"}) == []
    assert store.names(".cursor") == ["a.out.cursor", "b.gone.cursor"]


def test_segments_that_have_gone_leave_the_cursor(store, cursor):
    fill(store, 2)
    pass_all(store, cursor)
    retain(store.directory, store.window + LATER, 0, HUGE)
    cursor.save()
    assert list(json.loads(cursor.path.read_bytes())["offsets"]) == [path.name for path in store.segments()]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"offsets": {}}', b'{"max_age_s": 1, "offsets": {"x": "y"}}'])
def test_a_cursor_that_cannot_be_read_begins_before_everything_and_holds_it(store, cursor, content):
    fill(store)
    pass_all(store, cursor)
    cursor.path.write_bytes(content)
    assert store.compact().chunks == 0
    again = open_cursor(store.directory, "a", "out", AGE)
    assert len(Tail(store.directory, "a", again.offsets).look()) == 1
    again.save()
    pass_all(store, again)
    assert store.compact().chunks == 1


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageError)])
def test_a_disk_that_takes_no_more_leaves_the_cursor_as_it_was(store, cursor, code, error):
    fill(store, 2)
    pass_all(store, cursor, 1)
    before = cursor.path.read_bytes()
    store.disk.room, store.disk.code = 3, code
    with pytest.raises(error):
        pass_all(store, cursor)
    assert cursor.path.read_bytes() == before
    assert store.names(".tmp") == []
    store.disk.room = HUGE
    cursor.save()
    assert Tail(store.directory, "a", open_cursor(store.directory, "a", "out", AGE).offsets).look() == []
