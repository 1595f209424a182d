"""The receiver's life: opens, listens (again and again where the port is taken), beats, keeps house, ends in order."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from collector.metrics import OtlpMetrics
from collector.otlp.commit import OtlpLedger
from collector.otlp.forward import Forwarding
from collector.otlp.genai import Rules
from collector.otlp.prepare import Preparer
from collector.otlp.queue import CommitQueue
from collector.otlp.receive import Receiver
from collector.otlp.sampling import Sampler
from collector.push.otlp.route import MetricsRoute
from collector.settings import CollectorSettings
from core.clock import Clock
from core.texts import TextCipher
from storage.database import Database

if TYPE_CHECKING:
    from collector.otlp.grpc_server import GrpcServer

log = logging.getLogger(__name__)

_PORT_AGAIN = 10.0
_HOUSEKEEPING = 30.0
_GRACE = 5.0
"""How long requests that are on their way may take when the receiver ends."""


class OtlpReceiver:
    """Runs until stopped; ConfigError where the key file cannot be used."""

    def __init__(
        self,
        database: Database,
        settings: CollectorSettings,
        key_file: Path,
        clock: Clock,
        metrics: OtlpMetrics,
        points: MetricsRoute | None = None,
    ) -> None:
        otlp = settings.otlp
        cipher = TextCipher.from_file(key_file)
        rules = Rules(otlp, settings.dimensions, Sampler(otlp.strata, cipher.derive("sampling")))
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._ledger = OtlpLedger(database, settings.shard_name, settings.group_cap, otlp)
        self._queue = CommitQueue(self._ledger, clock, metrics)
        self._forwarding = Forwarding(otlp.forward, clock, metrics)
        self._receiver = Receiver(Preparer(rules, cipher), self._ledger, self._queue, self._forwarding, clock, metrics)
        self._points = self._receiver.points = points
        self._bound = 0
        self._ready = asyncio.Event()
        self.grpc = self._over_grpc()

    async def run(self, stop: asyncio.Event) -> None:
        """Receive until `stop` is set; what was answered with success is committed."""
        await asyncio.to_thread(self._ledger.open, self._clock.now())
        if self._points is not None:
            await self._points.service.open()
        runner = web.AppRunner(
            self._receiver.app(), access_log=None, auto_decompress=False, shutdown_timeout=_GRACE, handle_signals=False
        )
        await runner.setup()
        work = [
            asyncio.create_task(one)
            for one in (
                self._queue.run(),
                self._beat(),
                self._keep_house(),
                self._forwarding.run(),
                self._listen(runner),
                *([self.grpc.run(_PORT_AGAIN)] if self.grpc else []),
                *(self._points.service.work() if self._points is not None else ()),
            )
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Requests on their way are answered first: the queue still runs.
            await asyncio.gather(runner.cleanup(), *([self.grpc.stop(_GRACE)] if self.grpc else []))
            self._receiver.close()
            await self._forwarding.finish(_GRACE)
            for task in (*work, stopped):
                task.cancel()
            await asyncio.gather(*work, stopped, return_exceptions=True)
            await self._queue.beat()
            if self._points is not None:
                await self._points.finish()
            self._metrics.listening.set(0)
        for task in done - {stopped}:
            task.result()

    def _over_grpc(self) -> GrpcServer | None:
        if not self._settings.otlp.grpc.enabled:
            return None
        from collector.otlp.grpc_server import GrpcServer  # noqa: PLC0415 - 12 MB that not everybody needs

        return GrpcServer(self._receiver, self._settings.otlp, self._metrics)

    async def port(self) -> int:
        """The port that is listened on, once it is: with `port: 0` the system chooses."""
        await self._ready.wait()
        return self._bound

    async def _listen(self, runner: web.AppRunner) -> None:
        otlp = self._settings.otlp
        said = False
        while not await self._bind(runner, said=said):
            said = True
            await asyncio.sleep(_PORT_AGAIN)
        self._ledger.listening_since = self._clock.now()
        self._bound = int(runner.addresses[0][1])
        self._ready.set()
        self._metrics.listening.set(1)
        log.info("OTLP spans are received on http://%s:%d/v1/traces", otlp.host, self._bound)
        await asyncio.Event().wait()

    async def _bind(self, runner: web.AppRunner, *, said: bool) -> bool:
        otlp = self._settings.otlp
        site = web.TCPSite(runner, otlp.host, otlp.port)
        try:
            await site.start()
        except OSError as error:
            await site.stop()  # or the runner keeps every attempt
            if not said:
                log.error("no spans are received yet: port %d: %s", otlp.port, error.strerror)
            return False
        return True

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.flush_interval)
            await self._queue.beat()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            await self._queue.keep_house()
