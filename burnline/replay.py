"""`burnline ledger replay`: a recorded history through the collector's path and the engine, on a clock of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from collector.replay import Replayer, TimedPage, read_openmetrics
from collector.target import Counting
from core.buckets import HOURS, MINUTES, TIERS, end_of_window
from core.clock import ManualClock
from core.durations import DAY, HOUR, MINUTE
from core.errors import BurnlineError, ConfigError, Place, SpecError
from slo_engine.compile import selectors_of
from slo_engine.metrics import EngineMetrics
from slo_engine.settings import EngineSettings
from slo_engine.specs import load
from slo_engine.specs.model import Slo
from slo_engine.tick import LEASE, Engine
from storage import leases, migrate
from storage import slo as store
from storage.database import Database, sqlite_url
from storage.plan import MeasurePlan

DIMENSIONS = ("model", "version", "region", "tenant")

_ALL = {tier.width: tier.retention + HOURS.retention for tier in TIERS}
"""Every minute of the file stays at hand, so that windows begin and end at whole minutes whatever their length."""


def replay(openmetrics: Path, slo_paths: Sequence[Path], at: float | None = None) -> list[dict[str, Any]]:
    """The status of the SLOs as an engine would say it at `at` (by default at the last sample)."""
    slos = _slos(slo_paths)
    pages, intervals = read_pages(openmetrics)
    end = at if at is not None else max((page.time for page in pages), default=0.0)
    counting = Counting(DIMENSIONS, MeasurePlan(selectors=tuple({s for slo in slos for s in selectors_of(slo)})))
    with tempfile.TemporaryDirectory(prefix="burnline-replay-") as folder:
        database = Database(sqlite_url(Path(folder) / "replay.db"))
        try:
            migrate.upgrade(database)
            return _run(database, counting, slos, [p for p in pages if p.time <= end], intervals, end)
        finally:
            database.dispose()


def _run(
    database: Database,
    counting: Counting,
    slos: Sequence[Slo],
    pages: Sequence[TimedPage],
    intervals: dict[str, float],
    end: float,
) -> list[dict[str, Any]]:
    clock = ManualClock(pages[0].time if pages else end)
    replayer = Replayer(database, counting)
    engine = Engine(database, EngineSettings(packs=()), "", slos, clock, EngineMetrics(), keep=_ALL)
    epoch = leases.acquire(database, LEASE, "replay", 0.0, float("inf"))
    assert epoch is not None
    engine.lead(epoch)
    rest = iter(pages)
    page = next(rest, None)
    for moment in _moments(clock.now(), end):
        while page is not None and page.time <= moment:
            replayer.feed(page, intervals[page.url], page.time)
            page = next(rest, None)
        clock.set(moment)
        replayer.flush(moment, moment)
        engine.tick()
    return store.status(database)


def _moments(start: float, end: float) -> Iterator[float]:
    """When to evaluate: every minute in the last hour, every ten in the last day, every hour before that.

    The state of an alert at the end depends on its last evaluations; what fired and resolved long before leaves no
    trace.
    The last moment is the edge of the minute that holds `end`, so that every sample is counted.
    """
    last = end_of_window(end, MINUTES.width)
    moment = float(end_of_window(start, MINUTES.width))
    while moment < last:
        yield moment
        left = last - moment
        step = MINUTE if left <= HOUR else 10 * MINUTE if left <= DAY else HOUR
        moment += min(step, max(MINUTE, left - (0 if left <= HOUR else HOUR if left <= DAY else DAY)))
    yield float(last)


def _slos(paths: Sequence[Path]) -> list[Slo]:
    catalogue = load(list(paths))
    if catalogue.problems:
        raise SpecError("\n".join(str(problem) for problem in catalogue.problems))
    return list(catalogue.slos)


def read_pages(path: Path) -> tuple[list[TimedPage], dict[str, float]]:
    """The pages of an OpenMetrics file in time order, and each target's interval; ConfigError with file and line."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", Place(str(path), 0)) from None
    try:
        return read_openmetrics(body)
    except BurnlineError as error:
        raise ConfigError(str(error), Place(str(path), getattr(error, "line", 0))) from None
