from __future__ import annotations

import errno

import numpy as np
import pytest

from core.errors import ConfigError, StorageBusy, StorageError, StorageFull
from storage.series import SeriesLimits


def test_a_flush_is_one_write_that_a_reader_sees_at_once(store):
    writer = store.writer()
    up, load = writer.ref(store.series("up", pod="x")), writer.ref(store.series("load"))
    writer.add(store.start_ms, np.array([up, load]), np.array([1.0, 0.25]))
    assert store.read() == {}
    writer.flush()
    assert len(store.disk.calls) == 1
    assert store.read() == {
        store.series("up", pod="x"): [(store.start_ms, store.bits(1.0))],
        store.series("load"): [(store.start_ms, store.bits(0.25))],
    }


def test_a_series_keeps_its_reference(store):
    writer = store.writer()
    assert writer.ref(store.series("up")) == writer.ref(store.series("up")) != writer.ref(store.series("down"))


def test_the_caller_may_use_its_arrays_again(store):
    writer = store.writer()
    refs, values = np.array([writer.ref(store.series("up"))], np.uint32), np.array([1.0])
    writer.add(store.start_ms, refs, values)
    values[0] = 2.0
    writer.flush()
    assert store.read() == {store.series("up"): [(store.start_ms, store.bits(1.0))]}


@pytest.mark.parametrize(
    ("time_ms", "refs", "values"),
    [
        (0, [7], [1.0]),
        (0, [0, 0], [1.0]),
        (-1, [0], [1.0]),
        (1 << 53, [0], [1.0]),
        (0, [[0]], [[1.0]]),
        (0, [5000], [1]),
    ],
)
def test_what_cannot_be_a_scrape_is_refused(store, time_ms, refs, values):
    writer = store.writer()
    writer.ref(store.series("up"))
    with pytest.raises(ValueError, match=r"reference|pairs|range"):
        writer.add(time_ms, refs, values)


def test_an_empty_scrape_or_buffer_writes_nothing(store):
    writer = store.writer()
    writer.add(store.start_ms, [], [])
    writer.flush()
    assert store.segments() == []


def test_segments_end_with_their_two_hours(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    for time_ms in (store.start_ms + 7_199_999, store.start_ms + 7_200_000):
        writer.add(time_ms, [ref], [1.0])
    writer.flush()
    assert [path.name.split(".")[1] for path in store.segments()] == [str(store.window), str(store.window + 7200)]
    assert [time for time, _ in store.read()[store.series("up")]] == [
        store.start_ms + 7_199_999,
        store.start_ms + 7_200_000,
    ]


def test_segments_end_at_their_size_and_each_can_be_read_alone(store):
    writer = store.writer(limits=SeriesLimits(segment_bytes=1))
    ref = writer.ref(store.series("up"))
    for step in range(3):
        writer.add(store.start_ms + step, [ref], [float(step)])
        writer.flush()
    segments = store.segments()
    assert len(segments) == 3
    for gone in segments[:2]:
        gone.unlink()
    assert store.read() == {store.series("up"): [(store.start_ms + 2, store.bits(2.0))]}


def test_a_series_is_defined_once_a_segment(store):
    writer = store.writer()
    refs = [writer.ref(store.series("up", pod=str(number))) for number in range(50)]
    sizes = []
    for step in range(2):
        writer.add(store.start_ms + step, refs, [1.0] * 50)
        writer.flush()
        sizes.append(store.segments()[0].stat().st_size)
    assert sizes[1] - sizes[0] < sizes[0] / 2


def test_a_flush_is_due_by_age_or_by_samples(store):
    writer = store.writer(limits=SeriesLimits(flush_seconds=30, buffer_samples=2))
    ref = writer.ref(store.series("up"))
    store.clock.advance(100)
    assert not writer.due()
    writer.add(store.start_ms, [ref], [1.0])
    assert not writer.due()
    store.clock.advance(30)
    assert writer.due()
    writer.flush()
    assert not writer.due()
    writer.add(store.start_ms, [ref, ref], [1.0, 2.0])
    assert writer.due()


def test_late_and_repeated_samples_are_kept_the_last_one_wins(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    for time_ms, value in ((9, 1.0), (3, 2.0), (9, 3.0)):
        writer.add(store.start_ms + time_ms, [ref], [value])
    writer.flush()
    writer.add(store.start_ms + 3, [ref], [4.0])
    writer.flush()
    assert store.read() == {
        store.series("up"): [(store.start_ms + 3, store.bits(4.0)), (store.start_ms + 9, store.bits(3.0))]
    }


def test_a_forgotten_series_is_flushed_then_unknown(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    writer.add(store.start_ms, [ref], [1.0])
    writer.forget([ref, ref, 999_999])
    with pytest.raises(ValueError, match="reference"):
        writer.add(store.start_ms, [ref], [1.0])
    writer.flush()
    assert store.read() == {store.series("up"): [(store.start_ms, store.bits(1.0))]}
    assert writer.stats.series == 0
    assert writer.ref(store.series("up")) != ref


def test_a_series_that_came_back_while_its_end_waits_is_one_series(store):
    writer = store.writer()
    first = writer.ref(store.series("up"))
    writer.add(store.start_ms, [first], [1.0])
    writer.forget([first])
    writer.add(store.start_ms + 1, [writer.ref(store.series("up"))], [2.0])
    writer.flush()
    assert store.read() == {
        store.series("up"): [(store.start_ms, store.bits(1.0)), (store.start_ms + 1, store.bits(2.0))]
    }


def test_many_series_get_references(store):
    writer = store.writer()
    refs = [writer.ref(store.series("up", pod=str(number))) for number in range(3000)]
    writer.add(store.start_ms, refs, [1.0] * 3000)
    writer.flush()
    assert len(store.read()) == writer.stats.series == 3000


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("room", [0, 1, 43, 60])
def test_a_full_disk_keeps_what_was_there_and_drops_the_buffer(store, room, code):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    writer.add(store.start_ms, [ref], [1.0])
    writer.flush()
    before = store.segments()[0].read_bytes()
    store.disk.room, store.disk.code = room, code
    writer.add(store.start_ms + 1, [ref, ref], [2.0, 2.0])
    with pytest.raises(StorageFull, match="recent series: flush"):
        writer.flush()
    assert store.segments()[0].read_bytes() == before
    assert (writer.stats.samples_written, writer.stats.samples_dropped) == (1, 2)
    store.disk.room = 1 << 40
    writer.add(store.start_ms + 2, [ref], [3.0])
    writer.flush()
    assert store.read() == {
        store.series("up"): [(store.start_ms, store.bits(1.0)), (store.start_ms + 2, store.bits(3.0))]
    }


def test_a_disk_that_is_full_from_the_start_leaves_no_file(store):
    writer = store.writer()
    store.disk.room = 0
    writer.add(store.start_ms, [writer.ref(store.series("up"))], [1.0])
    with pytest.raises(StorageFull):
        writer.flush()
    assert store.segments() == []


def test_a_disk_that_fails_otherwise_is_a_storage_error_and_the_writer_goes_on(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    store.disk.sync_fails, store.disk.code = True, errno.EIO
    writer.add(store.start_ms, [ref], [1.0])
    with pytest.raises(StorageError) as raised:
        writer.flush()
    assert not isinstance(raised.value, StorageFull)
    store.disk.sync_fails = False
    writer.add(store.start_ms + 1, [ref], [2.0])
    writer.flush()
    assert store.read() == {store.series("up"): [(store.start_ms + 1, store.bits(2.0))]}


def test_a_full_disk_drops_only_the_windows_that_were_not_written(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    writer.add(store.start_ms - 1, [ref], [1.0])
    writer.flush()
    store.disk.room = store.disk.calls[0]
    writer.add(store.start_ms - 1, [ref], [2.0])
    writer.add(store.start_ms, [ref], [3.0])
    with pytest.raises(StorageFull):
        writer.flush()
    assert store.read() == {store.series("up"): [(store.start_ms - 1, store.bits(2.0))]}
    assert writer.stats[1:3] == (2, 1)


def test_a_segment_that_was_cut_back_is_never_written_again(store):
    """A reader may have seen the block that was taken back, and must not find another one in its place."""
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    store.disk.sync_fails = True
    writer.add(store.start_ms, [ref], [1.0])
    with pytest.raises(StorageFull):
        writer.flush()
    store.disk.sync_fails = False
    writer.add(store.start_ms, [ref], [1.0])
    writer.flush()
    first = store.segments()
    store.disk.sync_fails = True
    writer.add(store.start_ms + 1, [ref], [2.0])
    with pytest.raises(StorageFull):
        writer.flush()
    store.disk.sync_fails = False
    writer.add(store.start_ms + 2, [ref], [3.0])
    writer.flush()
    assert len(store.segments()) == len(first) + 1


def test_a_shard_has_one_writer(store):
    first = store.writer("a")
    with pytest.raises(StorageBusy, match="'a'"):
        store.writer("a")
    store.writer("b")
    store.close(first)
    store.writer("a")


@pytest.mark.parametrize("shard", ["", "a.b", "a/b", "..", "é", "x" * 65])
def test_a_shard_that_cannot_be_a_file_name_is_refused(store, shard):
    with pytest.raises(ConfigError, match="shard"):
        store.writer(shard)


@pytest.mark.parametrize("field", ["segment_bytes", "flush_seconds", "buffer_samples"])
def test_limits_of_nothing_are_refused(field):
    with pytest.raises(ConfigError, match="above 0"):
        SeriesLimits(**{field: 0})


def test_closing_flushes_and_counts(store):
    writer = store.writer()
    writer.add(store.start_ms, [writer.ref(store.series("up"))], [1.0])
    store.close(writer)
    assert len(store.read()) == 1
    assert writer.stats.bytes_written == store.segments()[0].stat().st_size
