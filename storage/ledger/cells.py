"""The content of one bucket as columns: series id, cell, count; sparse, compressed with zstandard.

Layout before compression: n as uint32, then n × int32 series ids, n × uint16 cells, n × int64 counts, little-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np
import numpy.typing as npt
import zstandard

Cells = dict[tuple[int, int], int]
"""(series id, cell) → count; zero counts are not kept."""

_LEVEL = 1
"""Rows of a target are a few hundred bytes: level 1 is within 3 % of level 9 in size there, at a fifth of the time."""

_MOST = 2**63 - 1
"""A target may invent any number: a count stops here, so that one bad page never keeps others from being written."""

EMPTY = b""


def encode(cells: Mapping[tuple[int, int], int]) -> bytes:
    """The blob of a bucket's content; empty content is the empty blob. Counts beyond 64 bits stop at the largest."""
    keys = np.fromiter(chain.from_iterable(cells), np.int64, 2 * len(cells)).reshape(-1, 2)
    counts = np.fromiter((min(n, _MOST) for n in cells.values()), np.int64, len(cells))
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    order = order[counts[order] != 0]
    return encode_columns(keys[order, 0], keys[order, 1], counts[order])


def encode_columns(ids: npt.NDArray[np.int64], cell: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> bytes:
    """The blob of columns that are sorted by (series id, cell), without doubles and zeros."""
    if not len(ids):
        return EMPTY
    head = np.array([len(ids)], "<u4")
    columns = ids.astype("<i4").tobytes() + cell.astype("<u2").tobytes() + counts.astype("<i8").tobytes()
    return zstandard.ZstdCompressor(level=_LEVEL).compress(head.tobytes() + columns)


def decode(blob: bytes) -> Cells:
    """The content of a blob."""
    if not blob:
        return {}
    data = zstandard.ZstdDecompressor().decompress(blob)
    n = int(np.frombuffer(data, "<u4", 1)[0])
    ids = np.frombuffer(data, "<i4", n, 4).tolist()
    cell = np.frombuffer(data, "<u2", n, 4 + 4 * n).tolist()
    counts = np.frombuffer(data, "<i8", n, 4 + 6 * n).tolist()
    return dict(zip(zip(ids, cell, strict=True), counts, strict=True))


def total(parts: Iterable[Mapping[tuple[int, int], int]]) -> Cells:
    """The sum of several contents."""
    result: Cells = {}
    for part in parts:
        for key, n in part.items():
            result[key] = result.get(key, 0) + n
    return result
