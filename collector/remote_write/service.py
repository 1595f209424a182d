"""All remotes of a shard: started, woken and ended together."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import aiohttp

from collector.metrics import RemoteWriteMetrics
from collector.remote_write.deliver import Deliverer
from collector.remote_write.post import Receiver
from collector.remote_write.remote import Remote, save
from collector.settings import CollectorSettings, RemoteWrite
from core.clock import Clock
from storage.series import Cursor, forget_cursors, open_cursor

log = logging.getLogger(__name__)

DRAIN_SECONDS = 3.0
"""What is left is sent for so long at the end: `burnline up` gives its parts ten seconds. The rest waits on disk."""


class RemoteWriters:
    """Opens the cursors at once, so that what is written from now on is sent; StorageError if one cannot be read."""

    def __init__(self, directory: Path, settings: CollectorSettings, clock: Clock, metrics: RemoteWriteMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        for gone in forget_cursors(directory, settings.shard_name, {remote.name for remote in settings.remote_write}):
            log.warning("remote %s is not in the settings any more: what waited for it is not sent", gone)
        self._cursors = [
            (remote, open_cursor(directory, settings.shard_name, remote.name, remote.max_queue_age))
            for remote in settings.remote_write
        ]
        for _, cursor in self._cursors:
            save(cursor)
        self._remotes: list[Remote] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set, then what is on disk by then, for some seconds at most."""
        if not self._cursors:
            await stop.wait()
            return
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=30)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            self._remotes = [self._remote(session, *each) for each in self._cursors]
            tasks = [asyncio.create_task(remote.run()) for remote in self._remotes]
            stopped = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            if stopped in done:
                await self._drain()
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            for task in done - {stopped}:
                task.result()

    def wake(self) -> None:
        """New blocks were written."""
        for remote in self._remotes:
            remote.wake()

    def detail(self) -> dict[str, dict[str, object]]:
        """How each remote stands; may be asked from any thread."""
        return {remote.settings.name: remote.detail for remote in self._remotes}

    async def _drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*(remote.drain() for remote in self._remotes))

    def _remote(self, session: aiohttp.ClientSession, settings: RemoteWrite, cursor: Cursor) -> Remote:
        receiver = Receiver(session, settings, self._clock)
        deliverer = Deliverer(settings.name, receiver, self._metrics, self._clock)
        return Remote(settings, cursor, deliverer, self._clock, self._metrics)
