"""The tail finds each whole block once, and the samples of a series in the order of their times."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.series import SeriesLimits, Tail
from storage.series.tail import read_definitions, read_rows

WINDOW_MS = 7_200_000


def samples(store, blocks):
    """(metric, time, value) in the order of the blocks."""
    found, names = [], {}
    for one in blocks:
        for definitions in read_definitions(store.directory, one, 0):
            for number, ref in enumerate(definitions.refs.tolist()):
                names[one.name, ref] = dict(definitions.series.labels(number))["__name__"]
        rows = read_rows(store.directory, one)
        times = np.repeat(rows.times, np.diff(rows.ends, prepend=0))
        found += [
            (names[one.name, ref], time, value)
            for ref, time, value in zip(rows.refs.tolist(), times.tolist(), rows.bits.view(float).tolist(), strict=True)
        ]
    return found


def test_each_block_is_told_once_with_its_samples(store):
    writer, tail = store.writer(), Tail(store.directory, "a", {})
    refs = [writer.ref(store.series(name)) for name in "xyz"]
    writer.add(store.start_ms, refs, [1, 2, 3])
    assert tail.look() == []
    writer.flush()
    (first,) = tail.look()
    writer.add(store.start_ms + 1, refs[:1], [4])
    writer.flush()
    (second,) = tail.look()
    assert (first.samples, second.samples) == (3, 1)
    assert samples(store, [second]) == [("x", store.start_ms + 1, 4)]
    assert tail.look() == []


def test_a_block_that_is_still_written_is_told_when_it_is_whole(store):
    writer, tail = store.writer(), Tail(store.directory, "a", {})
    writer.add(store.start_ms, [writer.ref(store.series("x"))], [1])
    writer.flush()
    (path,) = store.segments()
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert tail.look() == []
    path.write_bytes(data)
    assert len(tail.look()) == 1


def test_a_damaged_block_is_told_and_cannot_be_read(store):
    writer, tail = store.writer(), Tail(store.directory, "a", {})
    ref = writer.ref(store.series("x"))
    for step in range(2):
        writer.add(store.start_ms + step, [ref], [1])
        writer.flush()
    (path,) = store.segments()
    first = Tail(store.directory, "a", {}).look()[0]
    data = bytearray(path.read_bytes())
    data[first.place.end - 1] ^= 0xFF
    path.write_bytes(data)
    damaged, sound = tail.look()
    assert damaged.samples == 0
    assert read_rows(store.directory, damaged) is None
    assert samples(store, [sound]) == [("x", store.start_ms + 1, 1)]


def test_segments_of_others_and_those_that_vanish_are_passed_over(store):
    for shard in "ab":
        writer = store.writer(shard)
        writer.add(store.start_ms, [writer.ref(store.series(shard))], [1])
        writer.flush()
    tail = Tail(store.directory, "a", {})
    assert [one.name[0] for one in tail.look()] == ["a"]
    store.close_all()
    for path in store.segments():
        path.unlink()
    assert tail.look() == []


STEPS = st.lists(st.tuples(st.sampled_from("xyz"), st.booleans(), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, again=st.integers(0, 40))
def test_each_series_is_told_in_the_order_of_its_times_over_windows_flushes_and_restarts(new_store, steps, again):
    """Each step: a sample of one series, late ones still in the window before; then perhaps a flush, perhaps a look."""
    store = new_store()
    writer = store.writer(limits=SeriesLimits(segment_bytes=400))
    tail, found = Tail(store.directory, "a", {}), []
    times = dict.fromkeys("xyz", store.start_ms + WINDOW_MS - 5)
    for number, (name, flush, look) in enumerate(steps):
        times[name] += 3
        writer.add(times[name], [writer.ref(store.series(name))], [float(number)])
        if flush:
            writer.flush()
        if look:
            found += tail.look()
        if number == again:
            found += tail.look()
            ends = {}
            for one in found:
                ends[one.name] = one.place.end
            tail = Tail(store.directory, "a", ends)
    store.close(writer)
    found += tail.look()
    told = samples(store, found)
    for name in "xyz":
        own = [(time, value) for metric, time, value in told if metric == name]
        assert own == sorted(own)
        assert len(own) == sum(step[0] == name for step in steps)
    store.close_all()


CHILD = """
import sys
from pathlib import Path
from core import labels
from core.clock import ManualClock
from storage.series import SeriesLimits, SeriesWriter
directory, start, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
writer = SeriesWriter(directory, "a", ManualClock(start), SeriesLimits(segment_bytes=2000))
refs = [writer.ref(labels.make({"__name__": name})) for name in ("x", "y")]
print("ready", flush=True)
for number in range(rounds):
    # x is in the next window a little before y, as a target is that answers quicker than another
    writer.add(start * 1000 + number * 90_000, refs[:1], [float(number)])
    writer.add(start * 1000 + max(0, number - 1) * 90_000 + 1, refs[1:], [float(number)])
    writer.flush()
"""


def test_while_another_process_writes_each_series_is_told_in_order_and_once(store):
    rounds = 800
    arguments = [sys.executable, "-c", CHILD, str(store.directory), str(store.window), str(rounds)]
    found, looks = [], 0
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        child.stdout.readline()
        tail = Tail(store.directory, "a", {})
        while child.poll() is None:
            more = tail.look()
            looks += bool(more)
            found += more
    assert child.returncode == 0
    found += tail.look()
    told = samples(store, found)
    for name in "xy":
        assert [value for metric, _, value in told if metric == name] == [float(number) for number in range(rounds)]
    assert looks > 2
