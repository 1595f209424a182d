"""A store in a temporary directory, and a plain-dictionary model to compare it with."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from core import labels
from core.clock import ManualClock
from core.labels import Labels
from core.matchers import parse_selector
from storage.series import CompactionResult, SeriesData, SeriesLimits, SeriesReader, SeriesWriter, compact

WINDOW = 1_700_006_400
"""A Unix second at which a two-hour window begins."""


@dataclass
class FaultyDisk:
    """A disk with `room` bytes left; a write beyond it takes what fits, then fails with `code`."""

    room: int = 1 << 40
    code: int = errno.ENOSPC
    sync_fails: bool = False
    calls: list[int] = field(default_factory=list)

    def write(self, descriptor: int, data: memoryview) -> int:
        if self.room <= 0:
            raise OSError(self.code, os.strerror(self.code))
        taken = os.write(descriptor, data[: self.room])
        self.room -= taken
        self.calls.append(taken)
        return taken

    def sync(self, descriptor: int) -> None:
        if self.sync_fails:
            raise OSError(self.code, os.strerror(self.code))


@dataclass
class Store:
    """One directory with writers that are closed after the test."""

    directory: Path
    window = WINDOW
    start_ms = WINDOW * 1000
    clock: ManualClock = field(default_factory=lambda: ManualClock(WINDOW))
    disk: FaultyDisk = field(default_factory=FaultyDisk)
    _writers: list[SeriesWriter] = field(default_factory=list)

    @staticmethod
    def series(metric: str, **more: str) -> Labels:
        return labels.make({"__name__": metric, **more})

    @staticmethod
    def bits(value: float) -> int:
        return int(np.float64(value).view(np.uint64))

    def writer(self, shard: str = "a", limits: SeriesLimits | None = None) -> SeriesWriter:
        made = SeriesWriter(self.directory, shard, self.clock, limits or SeriesLimits(), self.disk)
        self._writers.append(made)
        return made

    def close(self, writer: SeriesWriter) -> None:
        self._writers.remove(writer)
        writer.close()

    def close_all(self) -> None:
        self.disk.room, self.disk.sync_fails = 1 << 40, False
        while self._writers:
            self._writers.pop().close()

    def read(self, selector: str = '{__name__=~".+"}', limit: int | None = None) -> dict[Labels, list[tuple[int, int]]]:
        return {one.labels: self.samples(one) for one in self.select(selector, limit)}

    def select(self, selector: str, limit: int | None = None) -> list[SeriesData]:
        return SeriesReader(self.directory).select(parse_selector(selector), -1, 1 << 60, limit)

    def compact(self, shard: str = "a", now: float = WINDOW + 1e9) -> CompactionResult:
        return compact(self.directory, shard, now, self.disk)

    @staticmethod
    def samples(data: SeriesData) -> list[tuple[int, int]]:
        """(time, bits of the value): comparable whatever the values are."""
        return list(zip(data.times.tolist(), data.values.view(np.uint64).tolist(), strict=True))

    def names(self, suffix: str = "") -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name.endswith(suffix))

    def segments(self) -> list[Path]:
        return sorted(self.directory.glob("*.seg"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "series")
    yield made
    made.close_all()


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """For hypothesis: a fresh store for each example."""
    return lambda: Store(tmp_path_factory.mktemp("series"))
