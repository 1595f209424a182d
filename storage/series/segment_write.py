"""A segment that is being written, locked so that compaction and retention leave it alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.clock import Clock
from storage.series.arrays import Bools, Refs
from storage.series.block import Scrape
from storage.series.disk import Disk, same_file, sync_directory, try_lock, write_all
from storage.series.layout import SEGMENT, list_files, series_file


@dataclass
class OpenSegment:
    """An append-only file of whole blocks; `size` is the byte after the last one."""

    path: Path
    descriptor: int
    size: int = 0
    _defined: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))

    def undefined(self, scrapes: Sequence[Scrape]) -> Refs:
        """The references, ascending, that no block of this segment has defined."""
        new = np.zeros(1 + max(int(scrape.refs.max()) for scrape in scrapes), np.bool_)
        for scrape in scrapes:
            new[scrape.refs] = True
        known = min(len(new), len(self._defined))
        new[:known] &= ~self._defined[:known]
        return np.flatnonzero(new).astype(np.uint32)

    def append(self, disk: Disk, data: bytes, new_refs: Refs) -> None:
        """Write one block and make it durable; on OSError the file ends where it ended before."""
        try:
            write_all(disk, self.descriptor, data)
            disk.sync(self.descriptor)
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(data)
        self._define(new_refs)

    def close(self) -> None:
        """Give the file up, and delete it if nothing was ever written."""
        if self.size == 0:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def _define(self, refs: Refs) -> None:
        if len(refs):
            wider = np.zeros(max(len(self._defined), int(refs[-1]) + 1), np.bool_)
            wider[: len(self._defined)] = self._defined
            wider[refs] = True
            self._defined = wider


def create_segment(directory: Path, shard: str, window: int, clock: Clock) -> OpenSegment:
    """A new, locked file after every other of its shard and window."""
    while True:
        path = directory / series_file(shard, window, _next_sequence(directory, shard, window, clock), SEGMENT).name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        # Compaction may have found the empty file before it was locked, and deleted it.
        try:
            if try_lock(descriptor) and same_file(path, descriptor):
                sync_directory(directory)
                return OpenSegment(path, descriptor)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _next_sequence(directory: Path, shard: str, window: int, clock: Clock) -> int:
    """Creation time in ms, so that no name is used again after retention deleted it, but always above the others."""
    taken = [file.sequence for file in list_files(directory) if (file.shard, file.window) == (shard, window)]
    return max([int(clock.now() * 1000), *(sequence + 1 for sequence in taken)])
