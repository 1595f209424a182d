"""file_sd: lists of target groups in files that are read again when they change."""

from __future__ import annotations

import asyncio
from pathlib import Path

from collector.discovery.documents import read_groups
from collector.discovery.port import Sink
from core import yaml
from core.errors import ConfigError

FILE_POLL = 2.0
"""Seconds between two looks at a file's time and size; a poll works on every file system, inotify does not."""

Stamp = tuple[int, int, int]
"""A file's time of change in nanoseconds, its size and its inode: another file has another."""


class File:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    async def watch(self, sink: Sink) -> None:
        """Read the file at once and after every change."""
        seen = _stamp(self._path)  # before it is read: a change between the two is seen at the next look
        self._refresh(sink)
        while True:
            await asyncio.sleep(FILE_POLL)
            stamp = _stamp(self._path)
            if stamp != seen:
                seen = stamp
                self._refresh(sink)

    def _refresh(self, sink: Sink) -> None:
        try:
            documents = yaml.load_file(self._path)
            sink.accept(read_groups(documents[0].value if documents else [], self.name, "__meta_filepath"))
        except ConfigError as error:
            sink.refuse(str(error))


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
