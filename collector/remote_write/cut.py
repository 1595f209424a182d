"""Cutting a block into requests. The same block and settings give the same requests, byte for byte: see docs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from collector.remote_write.encode import LATEST_MS, Request, SeriesTable
from storage.series.arrays import Ints
from storage.series.block import Rows


class Cut(NamedTuple):
    """Lanes of requests: those of a lane go out one after the other. `lost`: samples whose series nobody can name."""

    lanes: list[list[Request]]
    lost: int


def cut(rows: Rows, table: SeriesTable, max_samples: int, concurrency: int) -> Cut:
    """At most `concurrency` lanes, fewer where fewer requests do; a series is in the lane that its labels choose."""
    times = np.repeat(rows.times, np.diff(rows.ends, prepend=0))
    slots = table.slots(rows.refs)
    known = (slots >= 0) & (times < LATEST_MS)
    whole = Request(slots[known], times[known], rows.bits[known])
    count = len(whole.slots)
    lanes = min(concurrency, -(-count // max_samples))
    chosen = table.checksums(whole.slots) % np.uint32(max(1, lanes))
    parts = [list(_requests(whole, np.flatnonzero(chosen == lane), max_samples)) for lane in range(lanes)]
    return Cut([part for part in parts if part], len(times) - count)


def _requests(whole: Request, places: Ints, max_samples: int) -> Iterator[Request]:
    for first in range(0, len(places), max_samples):
        taken = places[first : first + max_samples]
        yield Request(whole.slots[taken], whole.times[taken], whole.bits[taken])
