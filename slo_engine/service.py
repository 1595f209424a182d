"""The engine as a process: takes the lease, ticks, re-reads SLO files, gives the lease back at the end."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets

from core.clock import Clock
from core.errors import ConfigError, LeaseLost, StorageError
from slo_engine.catalogue import SloFiles
from slo_engine.metrics import EngineMetrics
from slo_engine.sets import describe_set, files_of, read_set
from slo_engine.settings import EngineSettings
from slo_engine.tick import LEASE, Engine
from storage import leases, slo_sets
from storage.database import Database

log = logging.getLogger(__name__)

_CLEAN_EVERY = 3600.0
_RENEWALS = 5
"""A lease is renewed, and asked for by who does not hold it, so often in its time: a leader that died is replaced
within 1.2 times that, and in three lost renewals none loses it."""


class EngineService:
    """One engine of possibly several; only the one with the lease decides."""

    def __init__(
        self, database: Database, settings: EngineSettings, dashboard_url: str, clock: Clock, metrics: EngineMetrics
    ) -> None:
        self._db = database
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._files = SloFiles(settings, metrics, database)
        self._engine = Engine(database, settings, dashboard_url, self._files.slos, clock, metrics)
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._epoch: int | None = None
        """Of the lease, as long as it is held."""
        self._leading: int | None = None
        """The epoch that the engine was opened for; None: it has to read everything anew."""
        self._cleaned = clock.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set; the lease is renewed meanwhile, so that a long tick does not lose it."""
        due = 0.0
        while not stop.is_set():
            if await asyncio.to_thread(self._hold) and self._clock.monotonic() >= due:
                due = self._clock.monotonic() + self._settings.tick_interval
                await self._while_renewing(asyncio.create_task(asyncio.to_thread(self._round)))
            await _sleep(stop, min(self._settings.lease_ttl / _RENEWALS, self._settings.tick_interval))
        await asyncio.to_thread(self._release)

    async def _while_renewing(self, work: asyncio.Task[None]) -> None:
        while not (await asyncio.wait({work}, timeout=self._settings.lease_ttl / _RENEWALS))[0]:
            await asyncio.to_thread(self._hold)
        work.result()

    def _hold(self) -> bool:
        """Take or renew the lease."""
        try:
            epoch = leases.acquire(self._db, LEASE, self._holder, self._clock.now(), self._settings.lease_ttl)
        except StorageError as error:
            self._failed(error)
            return False
        self._epoch = epoch
        self._metrics.leader.set(epoch is not None)
        return epoch is not None

    def _round(self) -> None:
        began = self._clock.monotonic()
        try:
            if self._epoch is not None and self._epoch != self._leading:
                self._lead(self._epoch)
            elif self._files.refresh():
                self._engine.use(self._files.slos)
                self._record(self._epoch)
                log.info("SLO files changed: %d SLOs in force", len(self._files.slos))
            self._engine.tick()
            if began - self._cleaned > _CLEAN_EVERY:
                self._cleaned = began
                self._engine.clean()
        except StorageError as error:
            self._failed(error)
        self._metrics.tick_seconds.observe(self._clock.monotonic() - began)

    def _lead(self, epoch: int) -> None:
        """A new epoch reads everything anew, with the files as they are by now."""
        self._files.refresh()
        self._engine.lead(epoch, self._files.slos)
        self._record(epoch)
        self._leading = epoch
        log.info("this engine leads (epoch %d)", epoch)

    def _record(self, epoch: int | None) -> None:
        """Keep the text of the files that are in force, so that later ones can be compared with them."""
        if self._settings.slo_source != "files" or not self._settings.slos or epoch is None:
            return
        try:
            files = files_of(self._settings.slos)
            slos = describe_set(read_set(files, lenient=self._settings.lenient))
        except ConfigError as error:  # changed since they were read: the next look finds them
            log.info("SLO files are not recorded: %s", error)
            return
        before = slo_sets.newest(self._db, "files")
        if before is None or before.digest != slo_sets.digest_of(files):
            with self._db.write() as connection:
                leases.verify(connection, LEASE, epoch)
                slo_sets.put(connection, files, slos, "files", "engine", "", self._clock.now())

    def _failed(self, error: StorageError) -> None:
        """The next round reads the ledger anew: memory may be ahead of what was written."""
        self._leading = None
        self._metrics.failures.labels(type(error).__name__).inc()
        level = logging.INFO if isinstance(error, LeaseLost) else logging.ERROR
        log.log(level, "tick not finished, it is done again: %s", error)

    def _release(self) -> None:
        if self._epoch is not None:
            leases.release(self._db, LEASE, self._holder)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
