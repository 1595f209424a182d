"""A collector shard beside real servers, in a thread of its own, since the tests' clients block."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from burnline.api.counting import Answer, answer, question
from collector.metrics import CollectorMetrics
from collector.settings import CollectorSettings, ScrapeJob, StaticTargets
from collector.shard import CollectorShard
from core.clock import SystemClock
from storage import fleet, migrate
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth
from storage.ledger import rollups

WITHIN = 30.0


class Collector:
    """Scrapes `addresses` (job → host:port) every second, under `labels` and version v1, region here."""

    def __init__(self, folder: Path, addresses: Mapping[str, str], *, protobuf: bool = False, **labels: str) -> None:
        self.database = Database(sqlite_url(folder / "b.db"))
        migrate.upgrade(self.database)
        labels = {"version": "v1", "region": "here", **labels}
        jobs = tuple(
            ScrapeJob(
                name=name, interval=1.0, protobuf=protobuf, static=(StaticTargets(targets=(address,), labels=labels),)
            )
            for name, address in addresses.items()
        )
        settings = CollectorSettings(flush_interval=0.5, scrape=jobs)
        self._targets = len(jobs)
        self._shard = CollectorShard(self.database, folder, settings, SystemClock(), CollectorMetrics())
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Scrape for the time of the block; the database stays open until the block ends."""
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._shard.run(self._stop),))
        thread.start()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(WITHIN)
            self._loop.close()
            self.database.dispose()

    def health(self) -> dict[str, TargetHealth]:
        """The targets by job."""
        return {one.job: one for one in fleet.targets(self.database)}

    def scraped_after(self, moment: float) -> None:
        """Wait until of every target a scrape that began after `moment` is in the ledger."""
        until("a scrape of every target is committed", lambda: self._oldest_success() > moment)

    def _oldest_success(self) -> float:
        times = [one.last_success_at or 0.0 for one in fleet.targets(self.database)]
        return min(times) if len(times) == self._targets else 0.0

    def outcomes(self, layer: str | None = None) -> tuple[str | None, dict[str, int]]:
        """Which layer the API counts requests in (None: ask it for the outermost), and them by outcome and reason."""
        found = self.answer("requests", "outcome,reason", layer)
        counts: Counter[str] = Counter()
        for line in found.lines:
            counts[" ".join(value for _, value in line.group)] += sum(line.cells)
        return found.layer, {name: n for name, n in counts.items() if n}

    def answer(self, signal: str, by: str = "", layer: str | None = None) -> Answer:
        """What the API counts of a signal in the last hour."""
        with self.database.write() as connection:
            rollups.store(connection, rollups.compute(connection))
        now = time.time()
        return answer(self.database, question(signal, "", by, now - 3600, now + 60, 60, layer, now))


def until(what: str, look: Callable[[], object]) -> None:
    """Wait, but not for ever."""
    deadline = time.monotonic() + WITHIN
    while not look():
        assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}"
        time.sleep(0.1)
