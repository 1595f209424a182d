from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import StorageBusy, StorageError
from core.matchers import parse_selector
from storage.series import SeriesLimits, SeriesReader, SeriesWriter, compact, reader
from storage.series.layout import current_files, in_force, parse_name, series_file

ALL = parse_selector('{__name__=~".+"}')
EVER = 1 << 60

TIMES = st.one_of(st.integers(0, 50), st.integers(7_199_990, 7_200_010), st.integers(0, 3 * 7_200_000))
BITS = st.one_of(st.integers(0, 3).map(float), st.floats())
SCRAPES = st.tuples(TIMES, st.lists(st.tuples(st.integers(0, 3), BITS), min_size=1, max_size=4))
STEPS = st.lists(
    st.one_of(SCRAPES, SCRAPES, st.sampled_from(["flush", "compact", "restart", "poll"])), min_size=1, max_size=25
)


@dataclass
class Replay:
    """Does the same to the store and to a dictionary."""

    store: object
    flushed: dict = field(default_factory=dict)
    waiting: list = field(default_factory=list)

    def __post_init__(self):
        self.writer = self._open()
        self.reader = SeriesReader(self.store.directory)

    def _open(self):
        return SeriesWriter(
            self.store.directory, "a", self.store.clock, SeriesLimits(segment_bytes=400), self.store.disk
        )

    def do(self, step):
        if isinstance(step, str):
            getattr(self, step)()
            return
        time, pairs = step
        refs = [self.writer.ref(self.store.series("m", pod=str(pod))) for pod, _ in pairs]
        self.writer.add(self.store.start_ms + time, refs, [value for _, value in pairs])
        self.waiting += [(pod, self.store.start_ms + time, value) for pod, value in pairs]

    def flush(self):
        self.writer.flush()
        for pod, time, value in self.waiting:
            self.flushed.setdefault(self.store.series("m", pod=str(pod)), {})[time] = self.store.bits(value)
        self.waiting = []

    def restart(self):
        self.flush()
        self.writer.close()
        self.writer = self._open()

    def compact(self):
        self.restart()
        compact(self.store.directory, "a", self.store.window + 2 * 7200)

    def poll(self):
        found = self.reader.select(ALL, -1, EVER)
        assert {one.labels: self.store.samples(one) for one in found} == self.expected(-1, EVER)

    def expected(self, start, end):
        kept = {
            labels: sorted((time, bits) for time, bits in samples.items() if start < time <= end)
            for labels, samples in self.flushed.items()
        }
        return {labels: samples for labels, samples in kept.items() if samples}


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, span=st.tuples(TIMES, TIMES))
def test_the_store_agrees_with_a_dictionary(new_store, steps, span):
    store = new_store()
    replay = Replay(store)
    try:
        for step in [*steps, "poll", "flush", "poll", "compact", "poll"]:
            replay.do(step)
        start, end = store.start_ms + min(span), store.start_ms + max(span)
        for one in (replay.reader, SeriesReader(store.directory)):
            found = {data.labels: store.samples(data) for data in one.select(ALL, start, end)}
            assert found == replay.expected(start, end)
    finally:
        replay.writer.close()
        shutil.rmtree(store.directory)


@pytest.fixture
def pods(store):
    """Ten pods with a sample each at 0, 15 and 30 s; odd ones have no sample after 0."""
    writer = store.writer()
    refs = [writer.ref(store.series("m", pod=f"{number:02}")) for number in range(10)]
    writer.add(store.start_ms, refs, [1.0] * 10)
    for step in (1, 2):
        writer.add(store.start_ms + step * 15_000, refs[::2], [1.0] * 5)
    writer.flush()
    return writer


def names(found):
    return [dict(one.labels)["pod"] for one in found]


def test_a_span_is_open_at_its_start_and_closed_at_its_end(store, pods):
    selector = parse_selector('m{pod="00"}')
    (one,) = SeriesReader(store.directory).select(selector, store.start_ms, store.start_ms + 15_000)
    assert (one.times - store.start_ms).tolist() == [15_000]
    assert one.times.dtype.name == "int64"
    assert one.values.dtype.name == "float64"


@pytest.mark.parametrize("compacted", [False, True])
def test_a_limit_counts_only_series_with_samples_in_the_span(store, pods, compacted):
    if compacted:
        store.close(pods)
        store.compact()
    found = SeriesReader(store.directory)
    assert names(found.select(ALL, -1, EVER, 3)) == ["00", "01", "02"]
    assert names(found.select(ALL, store.start_ms, EVER, 3)) == ["00", "02", "04"]
    assert names(found.select(ALL, store.start_ms, EVER, 99)) == ["00", "02", "04", "06", "08"]
    assert found.select(ALL, -1, EVER, 0) == []


def test_series_come_by_metric_then_by_labels(store):
    writer = store.writer()
    all_labels = [store.series("b", Zone="1"), store.series("a", pod="2"), store.series("a", pod="1", Zone="9")]
    writer.add(store.start_ms, [writer.ref(labels) for labels in all_labels], [1.0, 2.0, 3.0])
    writer.flush()
    assert list(store.read()) == [all_labels[2], all_labels[1], all_labels[0]]


@pytest.mark.parametrize("compacted", [False, True])
def test_label_values_are_of_the_windows_that_the_span_touches(store, compacted):
    writer = store.writer()
    for window in range(3):
        ref = writer.ref(store.series("m", pod=f"p{window}"))
        writer.add(store.start_ms + window * 7_200_000, [ref], [1.0])
    store.close(writer)
    if compacted:
        store.compact()
    found = SeriesReader(store.directory)
    middle = store.start_ms + 7_200_000
    assert found.label_values("pod", -1, EVER) == ["p0", "p1", "p2"]
    assert found.label_values("pod", middle, middle) == ["p1"]
    assert found.label_values("pod", middle - 1, middle + 7_199_999) == ["p1"]
    assert found.label_values("none", -1, EVER) == []


def test_a_store_that_is_not_there_yet_is_empty(tmp_path):
    found = SeriesReader(tmp_path / "none")
    assert found.select(ALL, -1, EVER) == []
    assert found.label_values("a", -1, EVER) == []


@pytest.fixture
def bytes_read(monkeypatch):
    """How many bytes each read from a file took."""
    taken = []
    original = os.pread

    def counting(descriptor, size, at):
        data = original(descriptor, size, at)
        taken.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)
    return taken


def test_a_repeated_poll_reads_only_what_is_new(store, pods, bytes_read):
    polled = SeriesReader(store.directory)
    polled.select(ALL, -1, EVER)
    before = store.segments()[0].stat().st_size
    bytes_read.clear()
    polled.select(ALL, -1, EVER)
    assert sum(bytes_read) == 0
    pods.add(store.start_ms + 45_000, [0], [1.0])
    pods.flush()
    assert names(polled.select(ALL, store.start_ms + 30_000, EVER)) == ["00"]
    assert 0 < sum(bytes_read) <= 2 * (store.segments()[0].stat().st_size - before)


def test_a_chunks_index_is_read_once(store, pods, bytes_read):
    store.close(pods)
    store.compact()
    polled = SeriesReader(store.directory)
    polled.label_values("pod", -1, EVER)
    bytes_read.clear()
    polled.label_values("pod", -1, EVER)
    assert bytes_read == []


def test_a_reader_without_a_cache_reads_the_same(store, pods):
    kept, bare = SeriesReader(store.directory), SeriesReader(store.directory, cache_bytes=0)
    expected = [store.samples(one) for one in kept.select(ALL, -1, EVER)]
    assert [store.samples(one) for one in bare.select(ALL, -1, EVER)] == expected


def test_files_that_are_compacted_under_a_reader_are_looked_for_again(store, pods, monkeypatch):
    before = store.read()
    store.close(pods)
    original = reader.open_source
    compacted = []

    def late(directory, file, access):
        if not compacted:
            compacted.append(store.compact())
        return original(directory, file, access)

    monkeypatch.setattr(reader, "open_source", late)
    assert store.read() == before
    assert compacted[0].chunks == 1


def test_a_file_that_retention_took_is_gone_without_an_error(store, pods, monkeypatch):
    original = reader.open_source

    def late(directory, file, access):
        (directory / file.name).unlink(missing_ok=True)
        return original(directory, file, access)

    monkeypatch.setattr(reader, "open_source", late)
    assert store.read() == {}


def test_files_that_keep_vanishing_are_an_error_at_last(store, pods, monkeypatch):
    gone = [series_file("a", store.window, 1, "seg")]
    monkeypatch.setattr(reader, "current_files", lambda _: gone)
    with pytest.raises(StorageBusy):
        store.read()


def test_a_file_that_cannot_be_read_is_a_storage_error(store, pods):
    path = store.segments()[0]
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError):
        store.read()


def test_a_name_reads_back_as_its_parts():
    for kind in ("seg", "chunk", "chunk.tmp"):
        file = series_file("a-b_1", 7200, 5, kind)
        assert parse_name(file.name) == file
    assert parse_name("a.lock") is None
    assert parse_name("a.7200.5.seg.bak") is None


def test_the_highest_chunk_replaces_what_is_at_or_below_it_in_its_shard_and_window():
    wanted = [
        series_file("a", 0, 4, "chunk"),
        series_file("a", 0, 5, "seg"),
        series_file("b", 0, 2, "seg"),
        series_file("a", 7200, 1, "seg"),
    ]
    replaced = [
        series_file("a", 0, 4, "seg"),
        series_file("a", 0, 3, "chunk"),
        series_file("a", 0, 1, "seg"),
        series_file("a", 0, 9, "chunk.tmp"),
    ]
    assert sorted(in_force([*replaced, *wanted])) == sorted(wanted)


def test_a_listing_that_missed_both_the_chunk_and_its_segments_is_not_believed(tmp_path, monkeypatch):
    chunk = series_file("a", 0, 4, "chunk")
    looks = iter([[], [chunk], [chunk]])
    monkeypatch.setattr("storage.series.layout.list_files", lambda _: next(looks))
    assert current_files(tmp_path) == [chunk]
