"""A reader in one process while another writes and compacts."""

from __future__ import annotations

import subprocess
import sys

from core.matchers import parse_selector
from storage.series import SeriesReader

ROUNDS = 60

CHILD = """
import sys
from pathlib import Path
from core import labels
from core.clock import ManualClock
from storage.series import SeriesLimits, SeriesWriter, compact
directory, start, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
clock = ManualClock(start)
writer = SeriesWriter(directory, "a", clock, SeriesLimits(segment_bytes=300))
ref = writer.ref(labels.make({"__name__": "m"}))
print("ready", flush=True)
for number in range(rounds):
    for step in range(4):
        writer.add(start * 1000 + number * 1_800_000 + step, [ref], [float(number * 4 + step)])
        writer.flush()
    clock.set(start + (number + 1) * 1800)
    writer.flush()
    compact(directory, "a", clock.now())
"""


def test_a_reader_misses_and_doubles_nothing_while_segments_become_chunks(store):
    selector = parse_selector("m")
    arguments = [str(store.directory), str(store.window), str(ROUNDS)]
    seen = [0]
    with subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True) as child:
        child.stdout.readline()
        reader = SeriesReader(store.directory)
        while child.poll() is None:
            for one in reader.select(selector, -1, 1 << 60):
                assert one.values.tolist() == [float(number) for number in range(len(one.values))]
                seen.append(len(one.values))
    assert child.returncode == 0
    assert seen == sorted(seen)
    assert len(reader.select(selector, -1, 1 << 60)[0].values) == 4 * ROUNDS
    assert len(store.names(".chunk")) == ROUNDS // 4
    assert len(set(seen)) > 2
