"""A writer that dies at any byte loses at most its last flush."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from core.errors import StorageError
from core.matchers import parse_selector
from storage.series import SeriesReader, block

FLUSHES = 3


@pytest.fixture
def written(store):
    """A closed store with one segment of three blocks: its path, and where each block ends."""
    writer = store.writer()
    ends = []
    for step in range(FLUSHES):
        ref = writer.ref(store.series("up", step=str(step)))
        writer.add(store.start_ms + step, [ref], [float(step)])
        writer.flush()
        ends.append(store.segments()[0].stat().st_size)
    store.close(writer)
    return store.segments()[0], ends


def steps(store):
    return [time - store.start_ms for series in store.read().values() for time, _ in series]


def test_a_block_cut_at_any_byte_is_left_out_and_the_others_stay(store, written):
    path, ends = written
    whole = path.read_bytes()
    for size in range(ends[-2], ends[-1]):
        path.write_bytes(whole[:size])
        assert steps(store) == [0, 1], size
    path.write_bytes(whole)
    assert steps(store) == [0, 1, 2]


def test_a_flipped_byte_anywhere_in_the_last_block_leaves_it_out(store, written):
    path, ends = written
    whole = path.read_bytes()
    for at in range(ends[-2], ends[-1]):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        assert steps(store) == [0, 1], at


def test_damaged_samples_in_the_middle_cost_only_their_block(store, written, caplog):
    path, ends = written
    whole = path.read_bytes()
    path.write_bytes(whole[: ends[1] - 1] + bytes([whole[ends[1] - 1] ^ 1]) + whole[ends[1] :])
    reader = SeriesReader(store.directory)
    for _ in range(2):
        found = reader.select(parse_selector("up"), -1, 1 << 60)
        assert [int(one.values[0]) for one in found] == [0, 2]
    assert [record.getMessage().endswith(path.name) for record in caplog.records] == [True]


def test_damaged_definitions_cost_only_the_series_that_they_define(store, written, caplog):
    path, ends = written
    whole = path.read_bytes()
    at = ends[0] + block.HEADER_BYTES + 20
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert steps(store) == [0, 2]
    assert "definitions" in caplog.text


@pytest.mark.parametrize("tail", [b"\0" * 500, b"BLS1", b"garbage" * 30])
def test_the_next_writer_cuts_a_torn_end_and_writes_elsewhere(store, written, tail):
    path, ends = written
    path.write_bytes(path.read_bytes() + tail)
    writer = store.writer()
    assert path.stat().st_size == ends[-1]
    writer.add(store.start_ms + 7, [writer.ref(store.series("up", step="7"))], [7.0])
    writer.flush()
    assert path.stat().st_size == ends[-1]
    assert steps(store) == [0, 1, 2, 7]


def test_a_writer_that_cannot_begin_gives_its_shard_up(store, written):
    path, _ = written
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError):
        store.writer()
    path.rmdir()
    store.writer()


def test_the_next_writer_leaves_other_shards_alone(store, written):
    path, ends = written
    path.write_bytes(path.read_bytes() + b"torn")
    store.writer("b")
    assert path.stat().st_size == ends[-1] + 4


def test_a_reader_that_saw_a_torn_end_sees_the_block_once_it_is_whole(store, written):
    path, ends = written
    whole = path.read_bytes()
    path.write_bytes(whole[: ends[-1] - 5])
    reader = SeriesReader(store.directory)
    assert len(reader.select(parse_selector("up"), -1, 1 << 60)) == 2
    with path.open("ab") as file:
        file.write(whole[ends[-1] - 5 :])
    assert len(reader.select(parse_selector("up"), -1, 1 << 60)) == 3


WRITER = """
import sys
from pathlib import Path
from core import labels
from core.clock import ManualClock
from storage.series import SeriesLimits, SeriesWriter
start = int(sys.argv[2])
writer = SeriesWriter(Path(sys.argv[1]), "a", ManualClock(start), SeriesLimits())
refs = [writer.ref(labels.make({"__name__": "m", "pod": str(number)})) for number in range(200)]
step = 0
while True:
    writer.add(start * 1000 + step, refs, [float(step)] * len(refs))
    writer.flush()
    print(step, flush=True)
    step += 1
"""


def test_a_killed_writer_loses_nothing_that_was_flushed(store):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.directory), str(store.window)], stdout=subprocess.PIPE, text=True
    )
    with process:
        reader = SeriesReader(store.directory)
        for line in process.stdout:
            flushed = int(line)
            # Another process's flush is there for a reader that polls.
            found = reader.select(parse_selector('m{pod="7"}'), -1, 1 << 60)
            assert found[0].values.tolist()[: flushed + 1] == [float(step) for step in range(flushed + 1)]
            if flushed >= 20:
                process.send_signal(signal.SIGKILL)
                break
        flushed = max([flushed, *(int(line) for line in process.stdout if line.endswith("\n"))])
    before = store.read()
    assert len(before) == 200
    for series in before.values():
        times = [time - store.start_ms for time, _ in series]
        assert times == list(range(len(times)))
        assert len(times) in (flushed + 1, flushed + 2)
    writer = store.writer()
    writer.add(store.start_ms - 1, [writer.ref(store.series("after"))], [1.0])
    writer.flush()
    assert store.read() == {**before, store.series("after"): [(store.start_ms - 1, store.bits(1.0))]}
