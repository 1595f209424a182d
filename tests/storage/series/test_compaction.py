from __future__ import annotations

import pytest

from core.errors import ConfigError, StorageFull
from core.matchers import parse_selector
from storage.series import CompactionResult, SeriesLimits, SeriesReader, compaction
from storage.series.layout import parse_name

AFTER = 7200


def fill(store, shard="a", *, first=0, count=5, value=1.0):
    """Close a shard's writer after `count` flushes of two series, one a segment."""
    writer = store.writer(shard, SeriesLimits(segment_bytes=1))
    refs = [writer.ref(store.series("m", shard=shard, pod=pod)) for pod in ("x", "y")]
    for step in range(first, first + count):
        writer.add(store.start_ms + step * 15_000, refs, [value * step, value * step + 0.5])
        writer.flush()
    store.close(writer)


def test_segments_become_one_chunk_with_the_same_samples(store):
    fill(store)
    before = store.read()
    size = sum(path.stat().st_size for path in store.segments())
    result = store.compact(now=store.window + AFTER)
    assert store.read() == before
    assert len(before) == 2
    (chunk,) = store.names(".chunk")
    assert result == CompactionResult(1, 10, size, (store.directory / chunk).stat().st_size, 0)
    assert store.segments() == []


def test_the_current_window_is_left_alone(store):
    fill(store)
    assert store.compact(now=store.window + AFTER - 1) == CompactionResult()
    assert len(store.segments()) == 5


def test_a_segment_that_a_writer_holds_is_left_alone_until_its_window_is_idle(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    writer.add(store.start_ms, [ref], [1.0])
    writer.flush()
    store.clock.set(store.window + AFTER)
    assert store.compact() == CompactionResult()
    writer.add(store.start_ms + 1, [ref], [2.0])
    writer.flush()
    assert store.compact() == CompactionResult()
    writer.flush()
    assert store.compact().samples == 2
    assert len(store.read()[store.series("up")]) == 2


def test_late_samples_are_merged_into_the_chunk_and_win(store):
    fill(store)
    store.compact()
    fill(store, first=3, count=4, value=2.0)
    merged = store.read()
    assert [time for time, _ in merged[store.series("m", shard="a", pod="x")]] == [
        store.start_ms + step * 15_000 for step in range(7)
    ]
    assert merged[store.series("m", shard="a", pod="x")][3][1] == store.bits(6.0)
    assert store.compact().samples == 14
    assert store.read() == merged
    assert len(store.names(".chunk")) == 1


def test_compacting_twice_changes_nothing(store):
    fill(store)
    store.compact()
    names = store.names()
    assert store.compact() == CompactionResult()
    assert store.names() == names


def test_shards_share_a_directory(store):
    fill(store, "a")
    fill(store, "b")
    before = store.read()
    store.compact("a")
    assert [parse_name(name).shard for name in store.names(".seg")] == ["b"] * 5
    assert store.read() == before
    store.compact("b")
    assert store.read() == before
    assert len(before) == 4


def test_every_past_window_gets_its_own_chunk(store):
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    for window in range(3):
        writer.add(store.start_ms + window * AFTER * 1000, [ref], [1.0])
    store.close(writer)
    before = store.read()
    assert store.compact().chunks == 3
    assert len(store.names(".chunk")) == 3
    assert store.read() == before


@pytest.mark.parametrize("room", range(0, 900, 60))
def test_a_disk_that_fills_up_leaves_the_segments_in_force(store, room):
    fill(store)
    before, names = store.read(), store.names(".seg")
    store.disk.room = room
    try:
        store.compact()
    except StorageFull:
        assert store.names(".seg") == names
        assert store.names(".tmp") == []
    else:
        assert room > 200
    assert store.read() == before
    store.disk.room = 1 << 40
    store.compact()
    assert store.read() == before


class Died(BaseException):
    """Stands for kill -9: no handler may count on it."""


class Interrupted:
    """Lets the n-th change to the directory be the last thing that happens."""

    def __init__(self, monkeypatch, after):
        self.left = after
        for method in ("unlink", "rename"):
            original = getattr(compaction.Path, method)
            monkeypatch.setattr(compaction.Path, method, self._wrap(original))

    def _wrap(self, original):
        def call(path, *args, **kwargs):
            if self.left <= 0:
                raise Died
            self.left -= 1
            return original(path, *args, **kwargs)

        return call


@pytest.mark.parametrize("after", range(9))
def test_a_crash_between_any_two_steps_neither_loses_nor_doubles_a_sample(store, monkeypatch, after):
    fill(store)
    before = store.read()
    with monkeypatch.context() as patch:
        Interrupted(patch, after)
        try:
            store.compact()
        except Died:
            assert after < 7
    assert store.read() == before
    fill(store, first=10, count=1)
    grown = store.read()
    store.compact()
    assert store.read() == grown
    assert len(store.names(".chunk")) == 1
    assert store.names(".seg") + store.names(".tmp") == []


def test_the_leftovers_of_a_crash_do_not_count_even_if_they_differ(store):
    fill(store)
    segments = {path: path.read_bytes() for path in store.segments()}
    store.compact()
    before = store.read()
    (chunk,) = store.names(".chunk")
    late = store.directory / chunk.replace(".chunk", ".seg")
    late.write_bytes(next(iter(segments.values())))
    assert store.read() == before
    store.compact()
    assert not late.exists()


def test_a_compaction_beside_another_does_nothing(store, monkeypatch):
    fill(store)
    inner = []
    original = compaction._compact_window

    def meanwhile(*args):
        inner.append(store.compact())
        return original(*args)

    monkeypatch.setattr(compaction, "_compact_window", meanwhile)
    assert store.compact().chunks == 1
    assert inner == [CompactionResult()]


def test_many_batches_make_the_same_chunk(store, monkeypatch):
    fill(store)
    before = store.read()
    monkeypatch.setattr(compaction, "BATCH_SAMPLES", 1)
    assert store.compact().samples == 10
    assert store.read() == before


def test_damaged_blocks_are_counted_and_the_rest_is_kept(store):
    fill(store)
    path = store.segments()[2]
    data = path.read_bytes()
    path.write_bytes(data + data[:-1] + b"?" + data)
    before = store.read()
    assert store.compact().damaged > 0
    assert store.read() == before


def test_a_segment_without_a_whole_block_goes(store):
    fill(store)
    for path in store.segments():
        path.write_bytes(b"torn")
    assert store.compact()[:2] == (0, 0)
    assert store.names(".seg") + store.names(".chunk") == []


def test_a_damaged_chunk_is_kept_beside_the_segments_that_came_late(store):
    fill(store)
    store.compact()
    (chunk,) = [store.directory / name for name in store.names(".chunk")]
    chunk.write_bytes(chunk.read_bytes()[:-3])
    fill(store, first=9, count=1)
    assert store.compact() == CompactionResult(damaged=1)
    assert [len(series) for series in store.read().values()] == [1, 1]


def test_a_flipped_byte_in_a_chunk_never_yields_wrong_samples(store):
    fill(store)
    before = store.read()
    store.compact()
    (chunk,) = [store.directory / name for name in store.names(".chunk")]
    whole = chunk.read_bytes()
    for at in range(4, len(whole)):
        chunk.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        found = store.read()
        assert found == {} or found == before, at


def test_a_directory_that_is_not_there_has_nothing_to_compact(store):
    assert store.compact() == CompactionResult()


def test_a_bad_shard_name_is_refused(store):
    with pytest.raises(ConfigError):
        store.compact("../x")


def test_series_of_one_target_share_their_times_and_are_found_one_by_one(store, monkeypatch):
    monkeypatch.setattr("storage.series.chunk_write.GROUP_SAMPLES", 50)
    writer = store.writer()
    refs = [writer.ref(store.series("m", pod=str(number))) for number in range(40)]
    for step in range(20):
        writer.add(store.start_ms + step, refs[: 40 - step], [number + step / 100 for number in range(40 - step)])
    store.close(writer)
    before = store.read()
    store.compact()
    assert store.read() == before
    reader = SeriesReader(store.directory)
    for number in range(40):
        (one,) = reader.select(parse_selector(f'm{{pod="{number}"}}'), -1, 1 << 60)
        assert store.samples(one) == before[store.series("m", pod=str(number))]
