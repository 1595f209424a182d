"""Requests on their way to a commit: those that come while one runs go together into the next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from collector.metrics import OtlpMetrics
from collector.otlp.commit import OtlpLedger, Receipt
from collector.otlp.prepare import Prepared
from core.clock import Clock
from core.errors import StorageBusy, StorageError, StorageFull

log = logging.getLogger(__name__)

_MOST_CALLS = 5000
"""A commit of so many calls holds the database for well under a second."""

_APART = 0.05
"""Seconds from the begin of a commit to the next: each costs 7 ms and a write through to the disk, however little it
brings. A client that was alone is answered at once."""


class _Waiting(NamedTuple):
    prepared: Prepared
    done: asyncio.Future[None]


class CommitQueue:
    """One writer. `put` returns after the commit, or raises its StorageError."""

    def __init__(self, ledger: OtlpLedger, clock: Clock, metrics: OtlpMetrics) -> None:
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()

    async def put(self, prepared: Prepared) -> None:
        """Wait until what a request brings is committed."""
        waiting = _Waiting(prepared, asyncio.get_running_loop().create_future())
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
            while not self._queue.empty() and sum(len(one.prepared.calls) for one in batch) < _MOST_CALLS:
                batch.append(self._queue.get_nowait())
            await self._commit(batch)

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

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            await self._write([one.prepared for one in batch])
        except StorageError as error:
            if len(batch) > 1 and not isinstance(error, StorageFull | StorageBusy):
                for one in batch:  # what one request brings must not keep the others out
                    await self._commit([one])
                return
            _settle(batch, error)
        else:
            _settle(batch, None)

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


def _settle(batch: Sequence[_Waiting], error: StorageError | None) -> None:
    for one in batch:
        if one.done.done():
            continue  # the client has gone
        if error is None:
            one.done.set_result(None)
        else:
            one.done.set_exception(error)
