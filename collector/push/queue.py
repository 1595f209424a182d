"""Requests on their way to be kept: those that come while one commit runs go together into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from collector.metrics import PushMetrics
from collector.push.source import PushSource
from collector.push.way import Pushed
from core.errors import StorageError

_MOST_SAMPLES = 50_000
_APART = 0.05
"""Seconds from the begin of a commit to the next: each writes through to the disk, however little it brings."""


class _Waiting(NamedTuple):
    pushed: Pushed
    done: asyncio.Future[None]


class KeepQueue:
    """`put` returns after the commit, or raises its StorageError. The source works in `worker` alone."""

    def __init__(self, source: PushSource, worker: Executor, metrics: PushMetrics) -> None:
        self._source, self._worker, self._metrics = source, worker, metrics
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()

    async def put(self, pushed: Pushed) -> None:
        """Wait until a request is durable."""
        waiting = _Waiting(pushed, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        await waiting.done

    async def run(self) -> None:
        """Commit until cancelled."""
        loop = asyncio.get_running_loop()
        began = -_APART
        while True:
            batch = [await self._queue.get()]
            await asyncio.sleep(began + _APART - loop.time())
            began = loop.time()
            while not self._queue.empty() and sum(len(one.pushed.parts) for one in batch) < _MOST_SAMPLES:
                batch.append(self._queue.get_nowait())
            await self._commit(batch)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        requests = [one.pushed for one in batch]
        error: StorageError | None = None
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._source.keep, requests)
        except StorageError as found:
            self._metrics.keep_failures.labels(type(found).__name__).inc()
            error = found
        for one in batch:
            if one.done.done():
                continue  # the client has gone
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(error)
