"""Following a shard's segments: which blocks are new, in an order that keeps the times of each series ascending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from storage.series import segment
from storage.series.block import Definitions, Rows
from storage.series.cursor import segments_of
from storage.series.disk import opened, storage_errors
from storage.series.segment import BlockPlace


class TailBlock(NamedTuple):
    """One block of the segment `name`. `samples` is 0 where they cannot be read."""

    name: str
    place: BlockPlace
    samples: int


class Tail:
    """What was appended to a shard's segments beyond `offsets` (bytes by name) and since the last look."""

    def __init__(self, directory: Path, shard: str, offsets: Mapping[str, int]) -> None:
        self._directory = directory
        self._shard = shard
        self._ends = dict(offsets)

    def look(self) -> list[TailBlock]:
        """The whole blocks that are new; raises StorageError."""
        found: list[TailBlock] = []
        with storage_errors("tail"):
            for name, size in self._sizes().items():
                with suppress(FileNotFoundError):
                    found += self._new_blocks(name, size)
        return found

    def _sizes(self) -> dict[str, int]:
        """Sizes in the segments' order, asked for from the newest on.

        A series goes on in a newer segment only after its last sample was appended to the older one: so if the
        newer's size holds the later sample, the older's size, asked for afterwards, holds the earlier one.
        """
        names = [file.name for file in segments_of(self._directory, self._shard)]
        sizes: dict[str, int] = {}
        for name in reversed(names):
            with suppress(FileNotFoundError):
                sizes[name] = (self._directory / name).stat().st_size
        self._ends = {name: end for name, end in self._ends.items() if name in sizes}
        return {name: sizes[name] for name in names if name in sizes}

    def _new_blocks(self, name: str, size: int) -> Iterator[TailBlock]:
        if size <= self._ends.get(name, 0):
            return
        with opened(self._directory / name) as descriptor:
            for place in segment.blocks_between(descriptor, self._ends.get(name, 0), size):
                samples = segment.count_samples(descriptor, place)
                if samples is None and place.end == size:
                    return  # it is still being written
                yield TailBlock(name, place, samples or 0)
                self._ends[name] = place.end


def read_rows(directory: Path, one: TailBlock) -> Rows | None:
    """The block's samples; None if they are damaged, FileNotFoundError if the segment has gone."""
    with opened(directory / one.name) as descriptor:
        return segment.read_rows(descriptor, one.place)


def read_definitions(directory: Path, one: TailBlock, start: int) -> list[Definitions]:
    """What the blocks from byte `start` up to and including this one say of series; damaged ones are left out."""
    with opened(directory / one.name) as descriptor:
        return segment.read_definitions(descriptor, start, one.place.end)
