"""The life of one way's targets: opens, keeps requests, counts, keeps house, and ends in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from collector.metrics import PushMetrics
from collector.push.queue import KeepQueue
from collector.push.source import PushSource, RawSeries
from collector.push.way import BodyReader, Pushed, Way
from collector.settings import CollectorSettings
from core.clock import Clock
from core.errors import StorageError
from storage import fleet
from storage.database import Database
from storage.series import SeriesLimits, SeriesReader, SeriesWriter, compact

log = logging.getLogger(__name__)

_OPEN_AGAIN = 5.0
_HOUSEKEEPING = 300.0
_LONGEST_SHARD = 48
"""Of a shard's name, in those of its files."""


class PushService:
    """Everything that touches the source runs in a thread of its own, one after the other."""

    def __init__(
        self,
        database: Database,
        directory: Path,
        settings: CollectorSettings,
        way: Way,
        reader: BodyReader,
        clock: Clock,
        metrics: PushMetrics,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._directory = directory / "series"
        # Its files of raw series are not those of the collector's own shard, which are sent to other engines.
        self._files = f"{settings.shard_name[:_LONGEST_SHARD]}-{way.prefix}"
        self._worker = ThreadPoolExecutor(1, way.prefix)
        raw = RawSeries(
            SeriesWriter(self._directory, self._files, clock, SeriesLimits()), SeriesReader(self._directory)
        )
        self._raw = raw
        self._source = PushSource(database, settings, way, reader, clock, metrics, raw)
        self._queue = KeepQueue(self._source, self._worker, metrics)

    @property
    def open_samples(self) -> int:
        """Samples that wait for the rest of their pages."""
        return self._source.assembly.samples

    async def read(self, body: bytes) -> Pushed:
        """What a body holds; ParseError where it cannot be read, TooLarge where it is too much."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._source.read, body)

    async def keep(self, pushed: Pushed) -> None:
        """Return when a request is durable; StorageError where it could not be kept."""
        if pushed.parts:
            await self._queue.put(pushed)

    async def open(self) -> None:
        """Go on where an earlier process ended, as soon as the database lets it."""
        while not await self._do(self._source.open):  # noqa: ASYNC110 - nobody tells when a database is back
            await asyncio.sleep(_OPEN_AGAIN)

    def work(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs until it is cancelled."""
        return self._queue.run(), self._flush(), self._keep_house()

    async def finish(self) -> None:
        """Count what is settled, and end."""
        await self._do(self._source.flush)
        await self._do(self._raw.writer.close)
        self._worker.shutdown()

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
        compact(self._directory, self._files, self._clock.now())


def retire(database: Database, way: Way, now: float) -> None:
    """Nothing comes by this way any more: nobody waits for it."""
    with database.write() as connection:
        for shard in fleet.end_shards(connection, way.shard, (), now):
            log.info("%s: nothing is received any more: its targets have left", shard)
