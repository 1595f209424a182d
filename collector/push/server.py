"""The remote write receiver's life: listens (again and again where the port is taken), and ends in order."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from aiohttp import web

from collector.metrics import PushMetrics
from collector.push.receive import Receiver
from collector.push.remote_write import RemoteWriteReader, way_of
from collector.push.service import PushService, retire
from collector.settings import CollectorSettings
from core.clock import Clock
from storage.database import Database

log = logging.getLogger(__name__)

_PORT_AGAIN = 10.0
_GRACE = 5.0
"""How long requests that are on their way may take when the receiver ends."""


class PushReceiver:
    """Runs until stopped; where it is not enabled, it only ends what an earlier one was waited for."""

    def __init__(
        self, database: Database, directory: Path, settings: CollectorSettings, clock: Clock, metrics: PushMetrics
    ) -> None:
        self._db, self._settings, self._clock, self._metrics = database, settings, clock, metrics
        self._directory = directory
        self._bound = 0
        self._ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Receive until `stop` is set; what was answered with success is durable."""
        if not self._settings.reads_servers:
            await stop.wait()
        elif not self._settings.remote_write_receiver.enabled:
            await asyncio.to_thread(retire, self._db, way_of(self._settings), self._clock.now())
            await stop.wait()
        else:
            await self._receive(stop)

    async def port(self) -> int:
        """The port that is listened on, once it is: with `port: 0` the system chooses."""
        await self._ready.wait()
        return self._bound

    async def _receive(self, stop: asyncio.Event) -> None:
        settings = self._settings.remote_write_receiver
        reader, way = RemoteWriteReader(settings, self._clock), way_of(self._settings)
        service = PushService(self._db, self._directory, self._settings, way, reader, self._clock, self._metrics)
        receiver = Receiver(service, settings, self._metrics)
        runner = web.AppRunner(
            receiver.app(), access_log=None, auto_decompress=False, shutdown_timeout=_GRACE, handle_signals=False
        )
        await service.open()
        await runner.setup()
        work = [asyncio.create_task(one) for one in (*service.work(), self._listen(runner))]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await runner.cleanup()  # requests on their way are answered first: the queue still runs
            for task in (*work, stopped):
                task.cancel()
            await asyncio.gather(*work, stopped, return_exceptions=True)
            await service.finish()
            self._metrics.listening.set(0)
        for task in done - {stopped}:
            task.result()

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
