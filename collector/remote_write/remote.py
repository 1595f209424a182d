"""One remote's life: look for new blocks, keep the queue's bounds, deliver block by block, advance the cursor."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from collector.metrics import RemoteWriteMetrics
from collector.remote_write.cut import Cut, cut
from collector.remote_write.deliver import Deliverer
from collector.remote_write.encode import Request, SeriesTable
from collector.remote_write.queue import Queue
from collector.settings import RemoteWrite
from core.clock import Clock
from core.errors import StorageError
from storage.series import Cursor, Tail, TailBlock
from storage.series.tail import read_definitions, read_rows

log = logging.getLogger(__name__)

_POLL = 5.0
_KEEP_TABLES = 8
"""A segment's table is let go after so many blocks of others: around the change of two windows they alternate."""


class _Table(NamedTuple):
    """The series of one segment, as of its byte `end`; `used`: the number of the block that last needed it."""

    series: SeriesTable
    end: int
    used: int


class Remote:
    """Sends what one cursor has not passed, for ever."""

    def __init__(
        self, settings: RemoteWrite, cursor: Cursor, deliverer: Deliverer, clock: Clock, metrics: RemoteWriteMetrics
    ) -> None:
        self.settings = settings
        self._cursor = cursor
        self._deliverer = deliverer
        self._clock = clock
        self._metrics = metrics
        self._tail = Tail(cursor.directory, cursor.shard, cursor.offsets)
        self._queue = Queue()
        self.detail: dict[str, object] = {}
        self._sending: TailBlock | None = None
        self._given_up: str | None = None
        self._tables: dict[str, _Table] = {}
        self._blocks = 0
        self._woken, self._more, self._empty = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._looking, self._saving = asyncio.Lock(), asyncio.Lock()
        self._saved = True
        self._overflowing = False

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._deliver_for_ever())

    def wake(self) -> None:
        """There may be new blocks."""
        self._woken.set()

    async def drain(self) -> None:
        """Return when all that is on disk now has been done with."""
        await self._look()
        await self._empty.wait()

    # The queue.

    async def _watch(self) -> None:
        while True:
            await self._look()
            try:
                async with asyncio.timeout(_POLL):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        self._woken.clear()
        async with self._looking:  # the end of the remote looks as well
            try:
                self._queue.extend(await asyncio.to_thread(self._tail.look))
            except StorageError as error:
                log.warning("remote %s: new samples are looked for later: %s", self.settings.name, error)
        if self._keep_bounds():
            await self._save()
        self._told()

    def _keep_bounds(self) -> bool:
        """Give up the oldest blocks; whether there were any."""
        dropped = 0
        while (one := self._queue.first) is not None and (reason := self._too_much(one)):
            self._queue.pop()
            self._cursor.advance(one.name, one.place.end)
            dropped += 1
            if one is self._sending:
                self._given_up = reason  # its requests that still wait are counted where they end
            else:
                self._deliverer.dropped(one.samples, reason)
        if dropped and not self._overflowing:
            log.error("remote %s: its queue is over its bounds, the oldest samples are given up", self.settings.name)
            self._overflowing = True  # until all is sent: once an outage is enough
        return dropped > 0

    def _too_much(self, one: TailBlock) -> str | None:
        if one.place.header.last_ms < (self._clock.now() - self.settings.max_queue_age) * 1000:
            return "queue_age"
        return "queue_bytes" if self._queue.bytes > self.settings.max_queue_bytes else None

    def _lag(self) -> float:
        first = self._queue.first
        return max(0.0, self._clock.now() - first.place.header.first_ms / 1000) if first else 0.0

    def _told(self) -> None:
        """Say how it stands, and to the other task whether there is work."""
        name, queue, lag = self.settings.name, self._queue, self._lag()
        self._metrics.pending_samples.labels(name).set(queue.samples)
        self._metrics.pending_bytes.labels(name).set(queue.bytes)
        self._metrics.lag.labels(name).set(lag)
        self.detail = {
            "lag_seconds": round(lag, 1),
            "pending_samples": queue.samples,
            "pending_bytes": queue.bytes,
            "last_error": self._deliverer.error,
        }
        self._overflowing = self._overflowing and bool(queue)
        for event, there in ((self._more, bool(queue)), (self._empty, not queue)):
            (event.set if there else event.clear)()

    # Delivery.

    async def _deliver_for_ever(self) -> None:
        resent = self._cursor.resumed
        while True:
            await self._more.wait()
            one = self._queue.first
            if one is None:
                self._more.clear()
                continue
            self._sending, self._given_up = one, None
            await self._send(one, resent)
            resent, self._sending = False, None
            if self._queue.first is one:
                self._queue.pop()
            self._cursor.advance(one.name, one.place.end)
            await self._save()
            self._told()

    async def _send(self, one: TailBlock, resent: bool) -> None:
        found = await asyncio.to_thread(self._cut, one)
        if found is None:
            log.warning("remote %s: samples at byte %d of %s are lost", self.settings.name, one.place.at, one.name)
            self._deliverer.dropped(one.samples, "damaged")
            return
        if found.lost:
            self._deliverer.dropped(found.lost, "damaged")
        table = self._tables[one.name].series
        async with asyncio.TaskGroup() as lanes:
            for requests in found.lanes:
                lanes.create_task(self._lane(table, requests, resent))

    async def _lane(self, table: SeriesTable, requests: list[Request], resent: bool) -> None:
        for request in requests:
            await self._deliverer.deliver(table, request, lambda: self._given_up, resent)

    def _cut(self, one: TailBlock) -> Cut | None:
        """The block's requests; None if it cannot be read any more."""
        directory = self._cursor.directory
        try:
            self._define(one)
            rows = read_rows(directory, one)
        except OSError:
            return None
        if rows is None:
            return None
        settings = self.settings
        return cut(rows, self._tables[one.name].series, settings.max_samples_per_send, settings.concurrency)

    def _define(self, one: TailBlock) -> None:
        """Learn the names of the series up to this block of its segment."""
        self._blocks += 1
        known = self._tables.get(one.name) or _Table(SeriesTable(self.settings.external_labels), 0, 0)
        for definitions in read_definitions(self._cursor.directory, one, known.end):
            known.series.define(definitions)
        kept = {name: table for name, table in self._tables.items() if table.used > self._blocks - _KEEP_TABLES}
        self._tables = {**kept, one.name: _Table(known.series, one.place.end, self._blocks)}

    async def _save(self) -> None:
        async with self._saving:
            self._saved = await asyncio.to_thread(save, self._cursor, self._saved)


def save(cursor: Cursor, saved: bool = True) -> bool:
    """Whether the cursor could be written; logged unless it could not before (`saved`).

    If it cannot, a crash costs blocks that are sent twice, nothing else.
    """
    try:
        cursor.save()
    except StorageError as error:
        if saved:
            log.warning("remote %s: its cursor is written later: %s", cursor.remote, error)
        return False
    return True
