"""Model calls on their way to a commit, and what the writer does besides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from collector.batching import Batches
from collector.metrics import OtlpMetrics
from collector.otlp.commit import OtlpLedger, Receipt
from collector.otlp.prepare import Prepared
from core.clock import Clock
from core.errors import StorageBusy, StorageError, StorageFull

log = logging.getLogger(__name__)

_MOST_CALLS = 5000
"""A commit of so many calls holds the database for well under a second."""


class CommitQueue:
    """One writer. `put` returns after the commit, or raises its StorageError."""

    def __init__(self, ledger: OtlpLedger, clock: Clock, metrics: OtlpMetrics) -> None:
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        batches = Batches(self._write, lambda prepared: len(prepared.calls), _MOST_CALLS, _may_be_of_one)
        self.put, self.run = batches.put, batches.run

    async def beat(self) -> None:
        """Settle target-time without traffic."""
        try:
            await self._write(())
        except StorageError as error:
            log.warning("target-time is settled later: %s", error)

    async def keep_house(self) -> None:
        """Wipe and forget what is old."""
        try:
            await asyncio.to_thread(self._ledger.keep_house, self._clock.now())
        except StorageError as error:
            log.warning("old texts and generations are deleted later: %s", error)

    async def _write(self, batch: Sequence[Prepared]) -> Receipt:
        began = self._clock.monotonic()
        try:
            receipt = await asyncio.to_thread(self._ledger.commit, batch, self._clock.now())
        except StorageError as error:
            self._metrics.commit_failures.labels(type(error).__name__).inc()
            raise
        self._metrics.commit_seconds.observe(self._clock.monotonic() - began)
        self._metrics.committed(receipt)
        self._metrics.groups_capped.set(len(self._ledger.dictionary.capped))
        return receipt


def _may_be_of_one(error: StorageError) -> bool:
    return not isinstance(error, StorageFull | StorageBusy)
