"""The receiver's life: opens, listens (again and again where the port is taken), counts, ends in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web

from collector.metrics import PushMetrics
from collector.push.queue import KeepQueue
from collector.push.receive import Receiver
from collector.push.source import PushSource, shard_of
from collector.settings import CollectorSettings
from core.clock import Clock
from core.errors import StorageError
from storage import fleet
from storage.database import Database
from storage.series import SeriesLimits, SeriesReader, SeriesWriter, compact

log = logging.getLogger(__name__)

_PORT_AGAIN = 10.0
_OPEN_AGAIN = 5.0
_HOUSEKEEPING = 300.0
_GRACE = 5.0
"""How long requests that are on their way may take when the receiver ends."""


class PushReceiver:
    """Runs until stopped; where it is not enabled, it only ends what an earlier one was waited for."""

    def __init__(
        self, database: Database, directory: Path, settings: CollectorSettings, clock: Clock, metrics: PushMetrics
    ) -> None:
        self._db, self._settings, self._clock, self._metrics = database, settings, clock, metrics
        self._directory = directory / "series"
        # Everything that touches the source runs in this thread, one after the other.
        self._worker = ThreadPoolExecutor(1, "push")
        self._bound = 0
        self._ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Receive until `stop` is set; what was answered with success is durable."""
        if not self._settings.reads_servers:
            await stop.wait()
        elif not self._settings.remote_write_receiver.enabled:
            await asyncio.to_thread(self._retire)
            await stop.wait()
        else:
            await self._receive(stop)

    async def port(self) -> int:
        """The port that is listened on, once it is: with `port: 0` the system chooses."""
        await self._ready.wait()
        return self._bound

    async def _receive(self, stop: asyncio.Event) -> None:
        series = SeriesWriter(self._directory, self._series_shard, self._clock, SeriesLimits())
        reader = SeriesReader(self._directory)
        self._source = PushSource(self._db, self._settings, self._clock, self._metrics, series, reader)
        queue = KeepQueue(self._source, self._worker, self._metrics)
        receiver = Receiver(self._source, queue, self._worker, self._settings.remote_write_receiver, self._metrics)
        runner = web.AppRunner(
            receiver.app(), access_log=None, auto_decompress=False, shutdown_timeout=_GRACE, handle_signals=False
        )
        await self._opened()
        await runner.setup()
        work = [
            asyncio.create_task(one) for one in (queue.run(), self._flush(), self._keep_house(), self._listen(runner))
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await runner.cleanup()  # requests on their way are answered first: the queue still runs
            for task in (*work, stopped):
                task.cancel()
            await asyncio.gather(*work, stopped, return_exceptions=True)
            await self._do(self._source.flush)
            await self._do(series.close)
            self._worker.shutdown()
            self._metrics.listening.set(0)
        for task in done - {stopped}:
            task.result()

    async def _opened(self) -> None:
        while not await self._do(self._source.open):  # noqa: ASYNC110 - nobody tells when a database is back
            await asyncio.sleep(_OPEN_AGAIN)

    async def _do(self, work: Callable[[], None]) -> bool:
        """Run it in the source's thread; False where the database did not let it, and the log says so."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except StorageError as error:
            log.warning("pushed samples are counted later: %s", error)
            return False
        return True

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(self._settings.flush_interval)
            await self._do(self._source.flush)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            await self._do(self._clean)

    def _clean(self) -> None:
        self._source.forget()
        compact(self._directory, self._series_shard, self._clock.now())

    @property
    def _series_shard(self) -> str:
        """Its files of raw series; not those of the collector's own shard, which are sent to other engines."""
        return f"{self._settings.shard_name[:56]}-pushed"

    def _retire(self) -> None:
        with self._db.write() as connection:
            for shard in fleet.end_shards(connection, shard_of(self._settings), (), self._clock.now()):
                log.info("%s: remote write is not received any more: its targets have left", shard)

    async def _listen(self, runner: web.AppRunner) -> None:
        receiver = self._settings.remote_write_receiver
        said = False
        while not await self._bind(runner, said=said):
            said = True
            await asyncio.sleep(_PORT_AGAIN)
        self._bound = int(runner.addresses[0][1])
        self._ready.set()
        self._metrics.listening.set(1)
        log.info("remote write is received on http://%s:%d/api/v1/write", receiver.host, self._bound)
        await asyncio.Event().wait()

    async def _bind(self, runner: web.AppRunner, *, said: bool) -> bool:
        receiver = self._settings.remote_write_receiver
        site = web.TCPSite(runner, receiver.host, receiver.port)
        try:
            await site.start()
        except OSError as error:
            await site.stop()  # or the runner keeps every attempt
            if not said:
                log.error("no remote write is received yet: port %d: %s", receiver.port, error.strerror)
            return False
        return True
