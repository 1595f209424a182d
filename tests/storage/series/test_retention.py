from __future__ import annotations

import pytest

from storage.series import retain

HUGE = 1 << 40


@pytest.fixture
def days(store):
    """Three closed windows with a segment each."""
    writer = store.writer()
    ref = writer.ref(store.series("up"))
    for window in range(3):
        writer.add(store.start_ms + window * 7_200_000, [ref], [1.0])
    store.close(writer)
    return [path.stat().st_size for path in store.segments()]


def windows(store):
    return [(time - store.start_ms) // 7_200_000 for time, _ in store.read().get(store.series("up"), [])]


def test_files_go_when_their_whole_window_is_too_old(store, days):
    assert retain(store.directory, store.window + 7200 + 100, 100, HUGE) == 0
    assert retain(store.directory, store.window + 7200 + 101, 100, HUGE) == 1
    assert windows(store) == [1, 2]


def test_the_oldest_files_go_until_the_bytes_fit(store, days):
    assert retain(store.directory, store.window, HUGE, sum(days)) == 0
    assert retain(store.directory, store.window, HUGE, sum(days) - 1) == 1
    assert windows(store) == [1, 2]
    assert retain(store.directory, store.window, HUGE, 0) == 2
    assert windows(store) == []


def test_a_segment_that_is_written_stays(store):
    writer = store.writer()
    writer.add(store.start_ms, [writer.ref(store.series("up"))], [1.0])
    writer.flush()
    assert retain(store.directory, store.window + 1e9, 0, 0) == 0
    assert windows(store) == [0]


def test_a_replaced_segment_never_comes_back(store, days):
    saved = {path: path.read_bytes() for path in store.segments()[:1]}
    store.compact()
    for path, data in saved.items():
        path.write_bytes(data)
    total = sum((store.directory / name).stat().st_size for name in store.names() if not name.endswith(".lock"))
    assert retain(store.directory, store.window, HUGE, total - 1) == 1
    assert windows(store) == [0, 1, 2]
    assert store.segments() == []


def test_unfinished_chunks_go_by_age_alone(store, days):
    unfinished = store.directory / f"a.{store.window}.5.chunk.tmp"
    unfinished.write_bytes(b"x" * 100)
    retain(store.directory, store.window, HUGE, 0)
    assert unfinished.exists()
    retain(store.directory, store.window + 7200 + 101, 100, HUGE)
    assert not unfinished.exists()


def test_files_of_others_stay_and_a_missing_directory_is_empty(store, days, tmp_path):
    foreign = store.directory / "burnline.db"
    foreign.write_bytes(b"x")
    retain(store.directory, store.window + 1e9, 0, 0)
    assert foreign.exists()
    assert retain(tmp_path / "none", 0, 0, 0) == 0
