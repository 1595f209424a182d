"""The ledger's buckets as flat arrays: roll-ups of any width, and the rows that one source wrote.

A bucket's blob is decoded once and kept, up to a number of bytes, until its content changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from core.buckets import MINUTES
from core.measures import Measure
from core.signals import LAYERS
from storage.database import Database
from storage.ledger import cells as cells_codec
from storage.ledger.dictionary import Atom, Dictionary
from storage.series.cache import ByteCache
from storage.tables import ledger_measure, ledger_row, rollup, source

Ints = npt.NDArray[np.int64]

CACHE_BYTES = 64 << 20
"""Thirty days of hours of a fleet with 40 groups take about 20 MB decoded."""


class Cells(NamedTuple):
    """Counts of several buckets; one cell at each place of four arrays of one length: the start of its bucket (Unix
    seconds), its series id, its number in the series, and its count."""

    at: Ints
    ids: Ints
    cells: Ints
    counts: Ints


class Piece(NamedTuple):
    """The buckets of `width` in [start, end)."""

    width: int
    start: int
    end: int


@dataclass(frozen=True)
class _Decoded:
    blobs: tuple[bytes, ...]
    columns: tuple[Ints, Ints, Ints]

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.blobs)) + sum(column.nbytes for column in self.columns)


class Buckets:
    """Reads one database; may be used by several threads. StorageError when it does not answer."""

    def __init__(self, database: Database, cache_bytes: int = CACHE_BYTES) -> None:
        self._db = database
        self._dictionary = Dictionary()
        self._cache = ByteCache(cache_bytes)
        self._lock = Lock()

    def rollups(self, pieces: Iterable[Piece]) -> Cells:
        """All cells of some runs of buckets, whatever counted them."""
        parts: list[tuple[int, _Decoded]] = []
        with self._db.read() as connection:
            for width, start, end in pieces:
                here = (rollup.c.width == width, rollup.c.bucket >= start, rollup.c.bucket < end)
                query = select(rollup.c.bucket, rollup.c.direct, rollup.c.fine).where(*here)
                for row in connection.execute(query):
                    parts.append((row.bucket, self._decode((width, row.bucket), (row.direct, row.fine))))
        return _join(parts)

    def of_source(self, key: str, start: int, end: int) -> Cells:
        """The minutes that one source wrote, as a target its own counts; empty when it never wrote."""
        query = (
            select(ledger_row.c.bucket, ledger_row.c.source_id, ledger_row.c.cells)
            .join(source, source.c.id == ledger_row.c.source_id)
            .where(source.c.key == key, ledger_row.c.width == MINUTES.width)
            .where(ledger_row.c.bucket >= start, ledger_row.c.bucket < end)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return _join([(row.bucket, self._decode((row.source_id, "row", row.bucket), (row.cells,))) for row in rows])

    def atoms(self, cells: Cells) -> dict[int, Atom]:
        """What the series ids in it stand for."""
        with self._lock:
            return {id_: self._dictionary.atom(self._db, id_) for id_ in np.unique(cells.ids).tolist()}

    def layers(self) -> dict[str, str]:
        """For each signal that was ever counted, the outermost of its layers: the one it is counted in."""
        with self._db.read() as connection:
            measures = [Measure.from_key(key) for key in connection.execute(select(ledger_measure.c.key)).scalars()]
        named = sorted((m.name, LAYERS.index(m.layer)) for m in measures if m.layer in LAYERS)
        return {name: LAYERS[next(iter(found))[1]] for name, found in groupby(named, key=lambda pair: pair[0])}

    def _decode(self, key: Hashable, blobs: tuple[bytes, ...]) -> _Decoded:
        kept = self._cache.get(key, _Decoded)
        if kept is not None and kept.blobs == blobs:
            return kept
        parts = [_columns(cells_codec.decode(blob)) for blob in blobs if blob]
        made = _Decoded(blobs, _stack(parts))
        self._cache.put(key, made)
        return made


def _columns(cells: Mapping[tuple[int, int], int]) -> tuple[Ints, Ints, Ints]:
    both = np.array(list(cells), np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1], np.fromiter(cells.values(), np.int64, len(cells))


def _stack(parts: Sequence[Any]) -> tuple[Ints, Ints, Ints]:
    if not parts:
        empty: Ints = np.zeros(0, np.int64)
        return empty, empty, empty
    ids, cells, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ids, cells, counts


def _join(parts: Sequence[tuple[int, _Decoded]]) -> Cells:
    ids, cells, counts = _stack([decoded.columns for _, decoded in parts])
    lengths = [len(decoded.columns[0]) for _, decoded in parts]
    starts = np.array([bucket for bucket, _ in parts], np.int64)
    return Cells(np.repeat(starts, lengths), ids, cells, counts)
