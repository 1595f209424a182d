"""A ledger for this command alone: counted by the collector's code, rolled up by the engine's, gone at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path

from core.clock import ManualClock
from core.durations import HOUR
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from slo_engine.specs.model import Slo
from slo_engine.tick import LEASE, Engine
from storage import leases, migrate
from storage.database import Database, sqlite_url

STEP = 6 * HOUR
"""Seconds of history between two roll-ups: counts are written by the minute while they are younger than two days."""


class Filling:
    """A temporary database with an engine that leads it on `clock`; `roll_up` takes in what was counted."""

    def __init__(self, database: Database, slos: Sequence[Slo], clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        self._engine = Engine(database, EngineSettings(packs=()), "", slos, clock, EngineMetrics())
        epoch = leases.acquire(database, LEASE, "backtest", 0.0, inf)
        assert epoch is not None
        self._engine.lead(epoch)

    def roll_up(self) -> None:
        """Roll up everything that is committed; the engine judges the slices of rate SLOs, too."""
        self._engine.tick()


@contextmanager
def temporary(slos: Sequence[Slo], start: float) -> Iterator[Filling]:
    """An empty ledger in a temporary folder, its clock at `start` (Unix seconds)."""
    with tempfile.TemporaryDirectory(prefix="burnline-backtest-") as folder:
        database = Database(sqlite_url(Path(folder) / "ledger.db"))
        try:
            migrate.upgrade(database)
            yield Filling(database, slos, ManualClock(start))
        finally:
            database.dispose()
