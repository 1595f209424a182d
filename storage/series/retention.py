"""Deleting the oldest files."""

from __future__ import annotations

from pathlib import Path

from storage.series.cursor import held
from storage.series.disk import opened, storage_errors, try_lock
from storage.series.layout import UNFINISHED, SeriesFile, list_files


def retain(directory: Path, now: float, max_age_s: float, max_bytes: int) -> int:
    """Delete files whose window ended over `max_age_s` before `now`, then the oldest until `max_bytes` are left.

    Returns how many were deleted. A segment that is being written or compacted, or that a cursor has not passed, is
    never deleted. Raises StorageError.
    """
    deleted = 0
    with storage_errors("retain"):
        sized = [(file, _size(directory / file.name)) for file in list_files(directory)]
        total = sum(size for _, size in sized)
        # In the list's order a segment goes before the chunk made of it, else it would count again.
        for file, size in sized:
            too_old = file.end < now - max_age_s
            too_much = total > max_bytes and file.kind != UNFINISHED
            if (too_old or too_much) and _delete(directory, file, now):
                deleted += 1
                total -= size
    return deleted


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _delete(directory: Path, file: SeriesFile, now: float) -> bool:
    path = directory / file.name
    try:
        with opened(path) as descriptor:
            if not try_lock(descriptor) or held(directory, file, now):
                return False
            path.unlink()
    except FileNotFoundError:
        return False
    return True
