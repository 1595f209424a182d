"""Turning the closed segments of a window into one chunk.

The chunk takes the sequence of its last segment; the rename that gives it its name is the instant from which it, and no
longer they, counts. A crash before leaves an unfinished file, one after leaves files that no longer count: the next run
deletes both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from core.labels import Labels
from storage.series.cache import ByteCache
from storage.series.chunk_write import ChunkWriter
from storage.series.cursor import held
from storage.series.dictionary import series_order
from storage.series.disk import SYSTEM_DISK, Disk, hold_lock, opened, storage_errors, sync_directory, try_lock
from storage.series.layout import (
    CHUNK,
    UNFINISHED,
    SeriesFile,
    check_shard,
    in_force,
    list_files,
    series_file,
)
from storage.series.source import Access, Source, Span, locate, open_source, read_series

BATCH_SAMPLES = 2_000_000
"""Series are rewritten in batches of about so many samples. Each takes 100 bytes while it is sorted (measured), and
every batch reads the segments anew."""

_ALL_TIME = Span(-1, 1 << 62)


class CompactionResult(NamedTuple):
    """What was written, how many bytes of files it replaced, and how many `damaged` parts could not be read."""

    chunks: int = 0
    samples: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    damaged: int = 0


class _Places(NamedTuple):
    """Series in order, and where each is: (place in the sources, number there)."""

    sources: Sequence[Source]
    series: list[Labels]
    found: dict[Labels, list[tuple[int, int]]]


def compact(directory: Path, shard: str, now: float, disk: Disk = SYSTEM_DISK) -> CompactionResult:
    """Compact the windows of a shard that ended by `now` (Unix seconds) and whose segments no writer or cursor holds.

    Does nothing while another process compacts the shard. StorageFull or another StorageError leaves the segments as
    they are.
    """
    check_shard(shard)
    result = CompactionResult()
    with storage_errors("compact"), _compacting(directory, shard) as allowed:
        if not allowed:
            return result
        _delete_leftovers(directory, shard)
        own = [file for file in list_files(directory) if file.shard == shard and file.end <= now]
        for window in sorted({file.window for file in own}):
            files = [file for file in own if file.window == window]
            with suppress(FileNotFoundError):  # retention took a file: what is left waits for the next run
                result = _sum(result, _compact_window(directory, files, now, disk))
    return result


def _sum(one: CompactionResult, other: CompactionResult) -> CompactionResult:
    return CompactionResult(*(a + b for a, b in zip(one, other, strict=True)))


@contextmanager
def _compacting(directory: Path, shard: str) -> Iterator[bool]:
    lock = hold_lock(directory / f"{shard}.compact.lock") if directory.exists() else None
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _delete_leftovers(directory: Path, shard: str) -> None:
    """What an interrupted run left: unfinished chunks, and files that a chunk has replaced."""
    files = list_files(directory)
    for file in set(files) - set(in_force(files)):
        if file.shard == shard:
            (directory / file.name).unlink(missing_ok=True)


def _compact_window(directory: Path, files: Sequence[SeriesFile], now: float, disk: Disk) -> CompactionResult:
    with ExitStack() as locks:
        closed = list(_closed(directory, files, now, locks))
        if not closed or closed[-1].is_chunk:
            return CompactionResult()
        damage: list[str] = []
        access = Access(ByteCache(0), damage.append)
        sources = [open_source(directory, file, access) for file in closed]
        sound = [source for source in sources if source is not None]
        if len(sound) < len(sources):
            return CompactionResult(damaged=len(damage))  # a damaged chunk: the segments stay readable beside it
        target = closed[-1]
        samples = _write_chunk(directory, target, sound, disk, access)
        before = sum((directory / file.name).stat().st_size for file in closed)
        for file in closed:
            (directory / file.name).unlink(missing_ok=True)
        if not samples:
            return CompactionResult(bytes_before=before, damaged=len(damage))
        after = (directory / _chunk_of(target).name).stat().st_size
        return CompactionResult(1, samples, before, after, len(damage))


def _closed(directory: Path, files: Sequence[SeriesFile], now: float, locks: ExitStack) -> Iterator[SeriesFile]:
    """The chunk and the segments up to the first that is held; the segments are locked until `locks` ends."""
    for file in files:
        descriptor = locks.enter_context(opened(directory / file.name))
        # Locked first: what a writer appended before it let go is then seen as not passed.
        if not file.is_chunk and (not try_lock(descriptor) or held(directory, file, now)):
            return
        yield file


def _chunk_of(last: SeriesFile) -> SeriesFile:
    return series_file(last.shard, last.window, last.sequence, CHUNK)


def _write_chunk(directory: Path, last: SeriesFile, sources: Sequence[Source], disk: Disk, access: Access) -> int:
    """Write the chunk durably and give it its name; returns its samples, and writes none for 0 series."""
    found = locate(sources, None)
    if not found:
        return 0
    places = _Places(sources, sorted(found, key=series_order), found)
    unfinished = directory / series_file(last.shard, last.window, last.sequence, UNFINISHED).name
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        samples = _fill(ChunkWriter(disk, descriptor), places, access)
        disk.sync(descriptor)
        unfinished.rename(directory / _chunk_of(last).name)
        sync_directory(directory)
    finally:
        os.close(descriptor)
        unfinished.unlink(missing_ok=True)
    return samples


def _fill(writer: ChunkWriter, places: _Places, access: Access) -> int:
    samples = 0
    for batch in _batches(places, access):
        settled = read_series(places.sources, [places.found[labels] for labels in batch], _ALL_TIME, access)
        writer.add(batch, settled)
        samples += len(settled.times)
    writer.finish()
    return samples


def _batches(places: _Places, access: Access) -> Iterator[list[Labels]]:
    """Neighbouring series with about BATCH_SAMPLES samples together."""
    counts = [source.sample_counts(access) for source in places.sources]
    batch: list[Labels] = []
    size = 0
    for labels in places.series:
        batch.append(labels)
        size += sum(
            int(counts[source][number]) for source, number in places.found[labels] if number < len(counts[source])
        )
        if size >= BATCH_SAMPLES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
