"""How far each remote has read the segments of a shard; what one has not read stays as it is.

A cursor is the file `<shard>.<remote>.cursor`, JSON, replaced whole by a rename: for each segment the byte up to which
all is done, and for how long segments may be held for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.series import segment
from storage.series.disk import SYSTEM_DISK, Disk, opened, storage_errors, sync_directory, write_all
from storage.series.layout import SEGMENT, SeriesFile, list_files

SUFFIX = ".cursor"


@dataclass
class Cursor:
    """One remote's place in one shard. `resumed`: an earlier process had one, and may have sent more than it says."""

    directory: Path
    shard: str
    remote: str
    max_age_s: float
    disk: Disk = SYSTEM_DISK
    offsets: dict[str, int] = field(default_factory=dict)
    resumed: bool = False

    @property
    def path(self) -> Path:
        return self.directory / f"{self.shard}.{self.remote}{SUFFIX}"

    def advance(self, name: str, offset: int) -> None:
        """All up to `offset` of the segment `name` is done; `save` makes it known to others."""
        self.offsets[name] = max(offset, self.offsets.get(name, 0))

    def save(self) -> None:
        """Write it durably; StorageFull or another StorageError leaves the file as it was."""
        there = {file.name for file in segments_of(self.directory, self.shard)}
        offsets = {name: offset for name, offset in list(self.offsets.items()) if name in there}
        content = json.dumps({"max_age_s": self.max_age_s, "offsets": offsets}).encode()
        unfinished = self.path.with_name(self.path.name + ".tmp")
        with storage_errors("cursor"):
            try:
                self._replace(unfinished, content)
            finally:
                unfinished.unlink(missing_ok=True)

    def _replace(self, unfinished: Path, content: bytes) -> None:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(self.disk, descriptor, content)
            self.disk.sync(descriptor)
        finally:
            os.close(descriptor)
        unfinished.rename(self.path)
        sync_directory(self.directory)


def open_cursor(directory: Path, shard: str, remote: str, max_age_s: float, disk: Disk = SYSTEM_DISK) -> Cursor:
    """The remote's cursor: where an earlier process left it, else at the end of all that is there. Save it at once.

    A cursor that cannot be read begins before everything: what an engine has already costs it only a refusal.
    """
    cursor = Cursor(directory, shard, remote, max_age_s, disk)
    with storage_errors("cursor"):
        if cursor.path.exists():
            _, cursor.offsets = _read(cursor.path)
            cursor.resumed = True
        else:
            cursor.offsets = {file.name: _sound_end(directory / file.name) for file in segments_of(directory, shard)}
    return cursor


def forget_cursors(directory: Path, shard: str, remotes: Collection[str]) -> list[str]:
    """Delete the shard's cursors of remotes that are not among these, and name them: nothing is held for them now."""
    found = {path.name.removesuffix(SUFFIX).partition(".")[2]: path for path in directory.glob(f"{shard}.*{SUFFIX}")}
    gone = sorted(set(found).difference(remotes))
    with storage_errors("cursor"):
        for remote in gone:
            found[remote].unlink(missing_ok=True)
    return gone


def segments_of(directory: Path, shard: str) -> list[SeriesFile]:
    """The shard's segments, by window, then in the order in which they were begun."""
    return [file for file in list_files(directory) if file.shard == shard and file.kind == SEGMENT]


def held(directory: Path, file: SeriesFile, now: float) -> bool:
    """Whether some cursor has not passed the segment and may hold it still; `now` in Unix seconds."""
    if file.kind != SEGMENT:
        return False
    size = (directory / file.name).stat().st_size
    return any(
        offsets.get(file.name, 0) < size and file.end >= now - max_age_s
        for max_age_s, offsets in _cursors(directory, file.shard)
    )


def _cursors(directory: Path, shard: str) -> Iterator[tuple[float, Mapping[str, int]]]:
    for path in directory.glob(f"{shard}.*{SUFFIX}"):
        with suppress(FileNotFoundError):
            yield _read(path)


def _read(path: Path) -> tuple[float, dict[str, int]]:
    """How long it may hold, and its offsets; one that cannot be read has passed nothing and holds for ever."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        found: dict[str, Any] = json.loads(path.read_bytes())
        return float(found["max_age_s"]), {str(name): int(offset) for name, offset in found["offsets"].items()}
    return float("inf"), {}


def _sound_end(path: Path) -> int:
    with opened(path) as descriptor:
        return segment.sound_end(descriptor)
