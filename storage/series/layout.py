"""Names of the files, and which of them count.

`<shard>.<window>.<sequence>.seg` or `.chunk`: the window is the Unix second at which its two hours begin. Sequences of
one shard and window only grow. A chunk holds everything of its shard and window up to and including its own sequence:
once it has its name, the segments and chunks at or below that sequence no longer count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from core.errors import ConfigError

WINDOW_SECONDS = 7200
"""Two hours hold 480 samples at 15 s: enough for columns to compress, few enough to rewrite at once."""

SEGMENT = "seg"
CHUNK = "chunk"
UNFINISHED = "chunk.tmp"
_NAME = re.compile(r"([A-Za-z0-9_-]{1,64})\.(\d+)\.(\d+)\.(seg|chunk|chunk\.tmp)")
_SHARD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ATTEMPTS = 100


class SeriesFile(NamedTuple):
    """A file's name in its parts; sorts by window, shard, sequence, and a segment before the chunk made of it."""

    window: int
    shard: str
    sequence: int
    is_chunk: bool
    kind: str

    @property
    def name(self) -> str:
        return f"{self.shard}.{self.window}.{self.sequence}.{self.kind}"

    @property
    def end(self) -> int:
        """The Unix second at which the window is over."""
        return self.window + WINDOW_SECONDS


def series_file(shard: str, window: int, sequence: int, kind: str) -> SeriesFile:
    """A name from its parts."""
    return SeriesFile(window, shard, sequence, kind != SEGMENT, kind)


def parse_name(name: str) -> SeriesFile | None:
    """The parts of a file's name; None for a file that is not the store's."""
    match = _NAME.fullmatch(name)
    return series_file(match[1], int(match[2]), int(match[3]), match[4]) if match else None


def check_shard(shard: str) -> None:
    """Refuse a shard name that cannot be part of a file's name."""
    if not _SHARD.fullmatch(shard):
        raise ConfigError(f"shard {shard!r}: write 1 to 64 letters, digits, '-' or '_'")


def window_of(time_ms: int) -> int:
    """The Unix second at which the two-hour window of a time begins."""
    return time_ms // (WINDOW_SECONDS * 1000) * WINDOW_SECONDS


def list_files(directory: Path) -> list[SeriesFile]:
    """Every file of the store, finished or not, in order; one look at the directory."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - names alone are needed, Path.iterdir costs twice the time
    except FileNotFoundError:
        return []
    return sorted(found for name in names if (found := parse_name(name)) is not None)


def current_files(directory: Path) -> list[SeriesFile]:
    """The files that hold the data now, as of one instant.

    A single look can miss a chunk that was just renamed and also the segments that were just deleted for it. But if it
    misses a segment, the chunk had its name before the look ended, so the next look sees it: two equal looks agree.
    """
    last = list_files(directory)
    for _ in range(_ATTEMPTS):
        now = list_files(directory)
        if now == last:
            break
        last = now
    return in_force(last)


def in_force(files: Iterable[SeriesFile]) -> list[SeriesFile]:
    """Leave out unfinished chunks and what a chunk has replaced."""
    finished = [file for file in files if file.kind != UNFINISHED]
    covered = _covered(finished)
    return [
        file for file in finished if file.sequence >= covered.get((file.shard, file.window), -1) + (not file.is_chunk)
    ]


def _covered(files: Iterable[SeriesFile]) -> dict[tuple[str, int], int]:
    """The highest chunk sequence of each shard and window."""
    highest: dict[tuple[str, int], int] = {}
    for file in files:
        if file.is_chunk:
            key = (file.shard, file.window)
            highest[key] = max(file.sequence, highest.get(key, -1))
    return highest
