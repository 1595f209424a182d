"""The content of buckets as arrays: the same blobs as `cells`, for whoever adds up many of them.

Sums of several contents stop at the largest count, as blobs do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

from storage.ledger import cells as cells_codec
from storage.ledger.cells import Cells

Numbers = npt.NDArray[np.int64]

CELL_BITS = 16
"""A key is the series id with the cell in its low bits: a cell is stored in 16."""
_CELL = (1 << CELL_BITS) - 1
_MOST = 2**63 - 1
_SAFE = 2**62
_HEAD, _ID, _CELL_BYTES, _N = 4, 4, 2, 8
"""Bytes before the columns, of an id, of a cell, of a count: the layout is that of `cells`."""


class Columns(NamedTuple):
    """One bucket: `keys` rise and hold the series id and the cell, `counts` the number of each, none of them 0."""

    keys: Numbers
    counts: Numbers

    @property
    def ids(self) -> Numbers:
        """The series id of each count."""
        return self.keys >> CELL_BITS

    @property
    def cells(self) -> Numbers:
        """The cell of each count."""
        return self.keys & _CELL

    def as_cells(self) -> Cells:
        """The same as a dictionary."""
        return dict(zip(zip(self.ids.tolist(), self.cells.tolist(), strict=True), self.counts.tolist(), strict=True))


NOTHING = Columns(np.zeros(0, np.int64), np.zeros(0, np.int64))


def from_cells(cells: Mapping[tuple[int, int], int]) -> Columns:
    """The columns of a dictionary; counts beyond 64 bits stop at the largest."""
    keys = np.fromiter((id_ << CELL_BITS | cell for id_, cell in cells), np.int64, len(cells))
    counts = np.fromiter((min(n, _MOST) for n in cells.values()), np.int64, len(cells))
    return _summed(keys, counts)


def encode(columns: Columns) -> bytes:
    """The blob of a bucket's content."""
    return cells_codec.encode_columns(columns.ids, columns.cells, columns.counts)


def decode(blob: bytes) -> Columns:
    """The content of a blob."""
    if not blob:
        return NOTHING
    data = zstandard.ZstdDecompressor().decompress(blob)
    n = int(np.frombuffer(data, "<u4", 1)[0])
    ids = np.frombuffer(data, "<i4", n, _HEAD).astype(np.int64)
    cell = np.frombuffer(data, "<u2", n, _HEAD + _ID * n)
    return Columns(
        ids << CELL_BITS | cell, np.frombuffer(data, "<i8", n, _HEAD + (_ID + _CELL_BYTES) * n).astype(np.int64)
    )


def total(parts: Sequence[Columns]) -> Columns:
    """The sum of several contents."""
    filled = [part for part in parts if len(part.keys)]
    if len(filled) < 2:
        return filled[0] if filled else NOTHING
    return _summed(np.concatenate([one.keys for one in filled]), np.concatenate([one.counts for one in filled]))


def total_of_blobs(blobs: Iterable[bytes]) -> Columns:
    """The sum of many small blobs, which are read together."""
    decompressor = zstandard.ZstdDecompressor()
    frames = [decompressor.decompress(blob) for blob in blobs if blob]
    if not frames:
        return NOTHING
    data = np.frombuffer(b"".join(frames), np.uint8)
    lengths = np.fromiter(map(len, frames), np.int64, len(frames))
    begins = np.cumsum(lengths) - lengths
    sizes = _at(data, "<u4", begins)
    places = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    first, of_all = np.repeat(begins + _HEAD, sizes), np.repeat(sizes, sizes)
    ids = _at(data, "<i4", first + _ID * places)
    cell = _at(data, "<u2", first + _ID * of_all + _CELL_BYTES * places)
    counts = _at(data, "<i8", first + (_ID + _CELL_BYTES) * of_all + _N * places)
    return _summed(ids << CELL_BITS | cell, counts)


def _at(data: npt.NDArray[np.uint8], kind: str, places: Numbers) -> Numbers:
    """The numbers that begin at these bytes, aligned or not."""
    size = np.dtype(kind).itemsize
    if len(data) < size:
        return np.zeros(0, np.int64)
    everywhere: npt.NDArray[Any] = np.ndarray((len(data) - size + 1,), kind, data, strides=(1,))
    return everywhere[places].astype(np.int64)


def _summed(keys: Numbers, counts: Numbers) -> Columns:
    """Sorted, with equal keys added and zeros left out."""
    if not len(keys):
        return NOTHING
    order = np.argsort(keys, kind="stable")  # runs that rise already, which this merges
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    sums = np.add.reduceat(counts, starts) if _fits(counts) else _clipped(counts, starts)
    filled = sums != 0
    return Columns(keys[starts][filled], sums[filled])


def _fits(counts: Numbers) -> bool:
    """Whether no sum can pass 64 bits."""
    return int(np.abs(counts).max()) < _SAFE // len(counts)


def _clipped(counts: Numbers, starts: Numbers) -> Numbers:
    """Sums in whole numbers of any size, stopped at the largest that is kept."""
    exact = np.add.reduceat(counts.astype(object), starts)
    return np.array([min(int(n), _MOST) for n in exact], np.int64)
