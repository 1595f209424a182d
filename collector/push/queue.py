"""Pushed requests on their way to be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from collector.batching import Batches
from collector.metrics import PushMetrics
from collector.push.source import PushSource
from collector.push.way import Pushed
from core.errors import StorageError

_MOST_SAMPLES = 50_000


class KeepQueue:
    """`put` returns after the commit, or raises its StorageError. The source works in `worker` alone."""

    def __init__(self, source: PushSource, worker: Executor, metrics: PushMetrics) -> None:
        self._source, self._worker, self._metrics = source, worker, metrics
        batches = Batches(self._keep, lambda pushed: len(pushed.parts), _MOST_SAMPLES)
        self.put, self.run = batches.put, batches.run

    async def _keep(self, requests: Sequence[Pushed]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._source.keep, requests)
        except StorageError as error:
            self._metrics.keep_failures.labels(type(error).__name__).inc()
            raise
