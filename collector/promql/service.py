"""The readers of all configured servers: each at its own pace, until the collector stops."""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from collector.metrics import PrometheusMetrics
from collector.promql.api import PrometheusApi
from collector.promql.claims import MARK, Claims
from collector.promql.source import PrometheusSource, shard_of
from collector.scrape import ssl_context
from collector.settings import CollectorSettings, PrometheusServer
from core.clock import Clock
from core.errors import StorageError
from storage import fleet
from storage.database import Database

log = logging.getLogger(__name__)

_LOOK = 0.5
_SCRAPED_WITHIN = 20.0
"""The collector's own targets are known with its first flush; a reader that began before could count one twice."""
_MEMORY = 24 * 3600.0
"""How long a target that left stays on the pages."""


class PrometheusReaders:
    """Runs until stopped; does nothing where no server is configured, but for forgetting those that were."""

    def __init__(
        self, database: Database, settings: CollectorSettings, clock: Clock, metrics: PrometheusMetrics
    ) -> None:
        self._db = database
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._claims = Claims()

    async def run(self, stop: asyncio.Event) -> None:
        """Read every server until `stop` is set. Each piece is committed as it is counted: nothing is left to flush."""
        if not self._settings.reads_servers:
            await stop.wait()
            return
        began = self._clock.now()
        await asyncio.to_thread(self._retire)
        stopped = asyncio.create_task(stop.wait())
        async with aiohttp.ClientSession(trust_env=False) as session:
            work = [asyncio.create_task(self._read(server, session, began)) for server in self._settings.prometheus]
            done, _ = await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in (*work, stopped):
                task.cancel()
            await asyncio.gather(*work, stopped, return_exceptions=True)
        for task in done - {stopped}:
            task.result()

    def _retire(self) -> None:
        """Servers that are not configured any more: nobody waits for their counts."""
        kept = {shard_of(self._settings, server) for server in self._settings.prometheus}
        with self._db.write() as connection:
            for shard in fleet.end_shards(connection, self._settings.servers_name + MARK, kept, self._clock.now()):
                log.info("%s is not configured any more: its targets have left", shard)

    async def _read(self, server: PrometheusServer, session: aiohttp.ClientSession, began: float) -> None:
        tls = ssl_context(server.url.partition(":")[0], server.tls)
        api = PrometheusApi(session, server, tls, lambda outcome: self._told(server, outcome))
        source = PrometheusSource(self._db, self._settings, server, api, self._claims, self._clock, self._metrics)
        await self._until_scraped(began)
        while True:
            due = self._clock.monotonic() + server.interval
            try:
                await source.round()
                await asyncio.to_thread(self._forget, server)
            except StorageError as error:
                log.warning("prometheus %s: read later: %s", server.name, error)
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))

    def _told(self, server: PrometheusServer, outcome: str) -> None:
        self._metrics.requests.labels(server.name, outcome).inc()

    async def _until_scraped(self, began: float) -> None:
        """Wait for the first flush of the collector's own targets, if it has any."""
        until = self._clock.monotonic() + _SCRAPED_WITHIN
        while self._settings.scrape and self._clock.monotonic() < until:
            if await asyncio.to_thread(self._flushed_since, began):
                return
            await asyncio.sleep(_LOOK)

    def _flushed_since(self, began: float) -> bool:
        with self._db.read() as connection:
            return fleet.heard_since(connection, self._settings.shard_name, began)

    def _forget(self, server: PrometheusServer) -> None:
        with self._db.write() as connection:
            fleet.forget_targets(connection, shard_of(self._settings, server), self._clock.now() - _MEMORY)
