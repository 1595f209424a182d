"""Writing recent series: scrapes are buffered, a flush appends one block to the segment of their two hours."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.clock import Clock
from core.errors import ConfigError, StorageBusy, StorageError
from core.labels import Labels
from storage.series import block, segment
from storage.series.arrays import Floats
from storage.series.block import Scrape
from storage.series.buffer import Buffer
from storage.series.disk import SYSTEM_DISK, Disk, hold_lock, opened, storage_errors, try_lock
from storage.series.layout import SEGMENT, WINDOW_SECONDS, check_shard, list_files, window_of
from storage.series.segment_write import OpenSegment, create_segment
from storage.series.stale import STALE

_LATEST_MS = 1 << 53


@dataclass(frozen=True)
class SeriesLimits:
    """How much is held before it is written. A segment is closed beyond `segment_bytes`."""

    segment_bytes: int = 64 << 20
    flush_seconds: float = 30.0
    buffer_samples: int = 1_000_000

    def __post_init__(self) -> None:
        if min(self.segment_bytes, self.flush_seconds, self.buffer_samples) <= 0:
            raise ConfigError(f"recent series: every limit must be above 0, not {self}")


class WriterStats(NamedTuple):
    """Totals since the writer began; `series` are those it knows now."""

    series: int
    samples_written: int
    samples_dropped: int
    bytes_written: int


class SeriesWriter:
    """The only writer of its shard. `add` never touches the disk, so a flush may run in another thread.

    Raises StorageBusy if another process writes this shard, ConfigError for a bad shard name.
    """

    def __init__(
        self, directory: Path, shard: str, clock: Clock, limits: SeriesLimits, disk: Disk = SYSTEM_DISK
    ) -> None:
        check_shard(shard)
        self._directory = directory
        self._shard = shard
        self._clock = clock
        self._limits = limits
        self._disk = disk
        self._buffer = Buffer()
        self._segments: dict[int, OpenSegment] = {}
        self._written = self._dropped = self._bytes = 0
        self._flushing = Lock()
        with storage_errors("open"):
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_shard()
            try:
                self._cut_torn_ends()
            except OSError:
                os.close(self._lock)
                raise

    def ref(self, labels: Labels) -> int:
        """The series' reference, valid until it is forgotten; `labels` include `__name__`."""
        return self._buffer.ref(labels)

    def forget(self, refs: Iterable[int]) -> None:
        """Give up references of series that have gone, once their last samples are flushed."""
        self._buffer.forget(refs)

    def add(
        self, time_ms: int, refs: Sequence[int] | npt.NDArray[np.integer], values: Sequence[float] | Floats
    ) -> None:
        """Buffer one scrape: `values[i]` is of series `refs[i]`, shapes (n,).

        ValueError for an unknown reference, other shapes or a time before 1970.
        """
        if not 0 <= time_ms < _LATEST_MS:
            raise ValueError(f"time {time_ms} ms is out of range")
        ref_array, value_array = np.array(refs, np.uint32), np.array(values, np.float64)
        if ref_array.ndim != 1 or ref_array.shape != value_array.shape:
            raise ValueError(f"refs {ref_array.shape} and values {value_array.shape} are no pairs")
        if len(ref_array):
            self._buffer.add(Scrape(time_ms, ref_array, value_array.view(np.uint64)), self._clock.monotonic())

    def add_stale(self, time_ms: int, refs: Sequence[int] | npt.NDArray[np.integer]) -> None:
        """Say that these series ended at that time."""
        self.add(time_ms, refs, np.full(len(refs), STALE))

    def due(self) -> bool:
        """Whether the buffer is old or large enough to be flushed."""
        age = self._buffer.age(self._clock.monotonic())
        return age >= self._limits.flush_seconds or self._buffer.samples >= self._limits.buffer_samples

    def flush(self) -> None:
        """Write the buffer and wait until it is durable.

        StorageFull or another StorageError: what was not written is dropped and counted, nothing half-written stays,
        and the next flush begins a new segment.
        """
        with self._flushing:
            taken = self._buffer.take()
            by_window: dict[int, list[Scrape]] = {}
            for scrape in taken.scrapes:
                by_window.setdefault(window_of(scrape.time_ms), []).append(scrape)
            try:
                self._write(by_window)
            finally:
                self._buffer.drop_forgotten(taken.forgotten)
                self._close_idle(by_window)

    def close(self) -> None:
        """Flush, and give up the shard even if that fails."""
        try:
            self.flush()
        finally:
            for window in list(self._segments):
                self._segments.pop(window).close()
            os.close(self._lock)

    @property
    def stats(self) -> WriterStats:
        return WriterStats(self._buffer.series, self._written, self._dropped, self._bytes)

    def _write(self, by_window: dict[int, list[Scrape]]) -> None:
        for window in sorted(by_window):
            samples = sum(len(scrape.refs) for scrape in by_window[window])
            try:
                with storage_errors("flush"):
                    self._bytes += self._append(window, by_window[window])
            except StorageError:
                self._dropped += sum(len(scrape.refs) for left in by_window.values() for scrape in left)
                raise
            self._written += samples
            by_window[window] = []

    def _append(self, window: int, scrapes: list[Scrape]) -> int:
        """Append one block; returns its size. The segment is given up if that fails."""
        target = self._segments.get(window)
        if target is None:
            target = create_segment(self._directory, self._shard, window, self._clock)
            self._segments[window] = target
        new = target.undefined(scrapes)
        data = block.encode([(ref, self._buffer.labels(ref)) for ref in new.tolist()], scrapes)
        try:
            target.append(self._disk, data, new)
        except OSError:
            self._segments.pop(window).close()
            raise
        if target.size >= self._limits.segment_bytes:
            self._segments.pop(window).close()
        return len(data)

    def _close_idle(self, used: Iterable[int]) -> None:
        """A past window is closed, and thereby free to be compacted, once a flush brings nothing for it."""
        now = self._clock.now()
        for window in [window for window in self._segments if window + WINDOW_SECONDS <= now]:
            if window not in used:
                self._segments.pop(window).close()

    def _take_shard(self) -> int:
        lock = hold_lock(self._directory / f"{self._shard}.lock")
        if lock is None:
            raise StorageBusy(f"recent series: another process writes shard {self._shard!r} in {self._directory}")
        return lock

    def _cut_torn_ends(self) -> None:
        for file in list_files(self._directory):
            if file.shard == self._shard and file.kind == SEGMENT:
                _cut_torn_end(self._directory / file.name)


def _cut_torn_end(path: Path) -> None:
    """What a killed writer left half-written goes; a segment that is just being compacted is left alone."""
    try:
        with opened(path) as descriptor:
            if not try_lock(descriptor):
                return
            end = segment.sound_end(descriptor)
            if end < os.fstat(descriptor).st_size:
                os.truncate(path, end)
    except FileNotFoundError:
        return
