"""Reading a segment: the index of its blocks, which only grows, and the samples of wanted series."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from storage.series import block
from storage.series.arrays import Ints
from storage.series.block import Definitions, Header, Rows
from storage.series.samples import Samples

_BYTES_A_BLOCK = 300


class BlockPlace(NamedTuple):
    """Where a block begins in its file."""

    at: int
    header: Header

    @property
    def samples_at(self) -> int:
        return self.at + block.HEADER_BYTES + self.header.definition_bytes

    @property
    def end(self) -> int:
        return self.at + self.header.block_bytes


@dataclass(frozen=True)
class SegmentIndex:
    """What is known of a segment up to the byte `end`; the file's blocks beyond it were not looked at yet."""

    inode: int
    end: int
    blocks: tuple[BlockPlace, ...]
    definitions: tuple[Definitions, ...]

    @property
    def nbytes(self) -> int:
        """About how much memory it holds."""
        named = sum(found.refs.nbytes + found.series.nbytes for found in self.definitions)
        return int(named) + _BYTES_A_BLOCK * len(self.blocks)

    @property
    def lost_definitions(self) -> int:
        """How many blocks define series but cannot be read there: the samples of those series have no labels."""
        return sum(place.header.definition_bytes > 0 for place in self.blocks) - len(self.definitions)


def read_index(descriptor: int, known: SegmentIndex | None) -> SegmentIndex:
    """The index of the open segment, from what is already known of it; a torn end is left for the next look."""
    status = os.fstat(descriptor)
    if known is None or known.inode != status.st_ino or known.end > status.st_size:
        known = SegmentIndex(status.st_ino, 0, (), ())
    found = list(_walk(descriptor, known.end, status.st_size))
    if not found:
        return known
    new = [_read_definitions(descriptor, place) for place in found if place.header.definition_bytes]
    return SegmentIndex(
        known.inode,
        found[-1].end,
        (*known.blocks, *found),
        (*known.definitions, *(definitions for definitions in new if definitions is not None)),
    )


def sound_end(descriptor: int) -> int:
    """The byte after the last whole block; what follows was torn by a crash or is still being written."""
    end = 0
    for place in _walk(descriptor, 0, os.fstat(descriptor).st_size):
        end = place.end
    return end


def read_rows(descriptor: int, place: BlockPlace) -> Rows | None:
    """A block's samples; None if they are damaged."""
    data = os.pread(descriptor, place.header.sample_bytes, place.samples_at)
    return block.decode_samples(data, place.header.sample_crc)


def blocks_between(descriptor: int, start: int, end: int) -> Iterator[BlockPlace]:
    """The blocks from one byte to another, by their headers: one that ends the file may be half-written."""
    while (header := block.decode_header(os.pread(descriptor, block.HEADER_BYTES, start))) is not None:
        place = BlockPlace(start, header)
        if place.end > end:
            return
        yield place
        start = place.end


def count_samples(descriptor: int, place: BlockPlace) -> int | None:
    """How many samples a block holds; None if they are damaged."""
    data = os.pread(descriptor, place.header.sample_bytes, place.samples_at)
    return block.count_samples(data, place.header.sample_crc)


def read_definitions(descriptor: int, start: int, end: int) -> list[Definitions]:
    """What the blocks from byte `start` on that end by `end` say of series; damaged ones are left out."""
    places = [place for place in blocks_between(descriptor, start, end) if place.header.definition_bytes]
    found = [_read_definitions(descriptor, place) for place in places]
    return [definitions for definitions in found if definitions is not None]


def slots_by_ref(wanted: dict[int, int]) -> Ints:
    """A table from reference to slot, -1 for what is not wanted; its last entry stands for every higher reference."""
    table = np.full(max(wanted, default=-1) + 2, -1, np.int64)
    table[list(wanted)] = list(wanted.values())
    return table


def pick(rows: Rows, slots: Ints, start_ms: int, end_ms: int) -> Samples:
    """The rows of wanted series with times in (start, end]."""
    found = slots[np.minimum(rows.refs, len(slots) - 1)]
    places = np.flatnonzero(found >= 0)
    times = rows.times[np.searchsorted(rows.ends, places, side="right")]
    inside = (times > start_ms) & (times <= end_ms)
    places = places[inside]
    return Samples(found[places], times[inside], rows.bits[places])


def _walk(descriptor: int, at: int, size: int) -> Iterator[BlockPlace]:
    """The whole blocks from a byte on. Only one that ends the file can be half-written, so only that is read whole."""
    for place in blocks_between(descriptor, at, size):
        if place.end == size and not _is_whole(descriptor, place):
            return
        yield place


def _is_whole(descriptor: int, place: BlockPlace) -> bool:
    return _definitions_sound(descriptor, place) and read_rows(descriptor, place) is not None


def _definitions_sound(descriptor: int, place: BlockPlace) -> bool:
    return place.header.definition_bytes == 0 or _read_definitions(descriptor, place) is not None


def _read_definitions(descriptor: int, place: BlockPlace) -> Definitions | None:
    data = os.pread(descriptor, place.header.definition_bytes, place.at + block.HEADER_BYTES)
    return block.decode_definitions(place.header, data)
