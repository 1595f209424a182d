"""From outbox rows to receivers: at least once, in order for each key, no receiver waiting for another."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

import httpx

from alerting import metrics as outcomes
from alerting.metrics import AlertingMetrics
from alerting.notification import Notification
from alerting.receivers.port import Envelope, Receiver
from core.clock import Clock
from core.egress import AddressRules, Answer, Request, exchange, open_client
from core.errors import DeliveryRefused, DeliveryRetryable, StorageError
from storage import outbox
from storage.database import Database
from storage.outbox import Claimed

log = logging.getLogger(__name__)

CONCURRENCY = 4
"""Sendings to one receiver at a time: enough for a burst, and its retries stay below PagerDuty's 120 a minute."""

LEASE = 30.0
"""Seconds of a claim: twice the longest exchange (core.egress.Timeouts.total). A crash delays a page by this much."""


class Sender(Protocol):
    """Knows how to carry a request to a receiver and an answer back."""

    async def __call__(self, rules: AddressRules, request: Request) -> Answer:
        """The answer; DeliveryRetryable or DeliveryRefused where there is none."""
        ...


class HttpSender:
    """Sends by HTTP, with one client for each set of address rules."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._clients: dict[AddressRules, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def __call__(self, rules: AddressRules, request: Request) -> Answer:
        if rules not in self._clients:
            self._clients[rules] = open_client(rules)
        return await exchange(self._clients[rules], request, self._clock.now())


class Delivery:
    """Claims due rows and sends them. Not thread-safe: lives in one event loop."""

    def __init__(
        self,
        db: Database,
        receivers: Mapping[str, Receiver],
        clock: Clock,
        send: Sender,
        *,
        metrics: AlertingMetrics,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._receivers = receivers
        self._clock = clock
        self._send = send
        self._metrics = metrics
        self._roll = roll
        self._running: dict[str, set[asyncio.Task[None]]] = {name: set() for name in receivers}

    async def start_due(self) -> int:
        """Start sending what is due, as far as receivers have free places; returns how many were started."""
        started = 0
        for name in self._receivers:
            free = CONCURRENCY - len(self._running[name])
            if free > 0:
                rows = await asyncio.to_thread(outbox.claim, self._db, name, free, self._clock.now(), LEASE)
                started += len(rows)
                for row in rows:
                    self._start(row)
        return started

    async def drain(self) -> None:
        """Wait until nothing is being sent."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    async def stop(self, grace: float) -> None:
        """Wait `grace` seconds for what is being sent, then leave it to the next start."""
        if tasks := self._tasks():
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _tasks(self) -> set[asyncio.Task[None]]:
        return set().union(*self._running.values())

    def _start(self, row: Claimed) -> None:
        task = asyncio.create_task(self._deliver(row))
        self._running[row.receiver].add(task)
        task.add_done_callback(self._running[row.receiver].discard)

    async def _deliver(self, row: Claimed) -> None:
        try:
            settle = await self._attempt(row)
            await asyncio.to_thread(settle)
        except asyncio.CancelledError:
            outbox.release(self._db, row, self._clock.now())
            raise
        except StorageError as error:
            self._metrics.storage_errors.inc()
            log.error("notification %s: its outcome could not be stored, it will be sent again: %s", row.id, error)

    async def _attempt(self, row: Claimed) -> Callable[[], None]:
        """Send once; returns what to store about it."""
        try:
            await self._exchange(row)
        except DeliveryRetryable as error:
            return self._retry(row, error)
        except DeliveryRefused as error:
            return self._give_up(row, outcomes.REFUSED, str(error))
        self._count(row, outcomes.DELIVERED)
        return lambda: outbox.delivered(self._db, row, self._clock.now())

    async def _exchange(self, row: Claimed) -> None:
        receiver = self._receivers[row.receiver]
        envelope = Envelope(row.dedup_key, row.message_id, self._clock.now())
        try:
            request = receiver.render(Notification.from_json(row.body), envelope)
        except (KeyError, TypeError, ValueError) as error:
            raise DeliveryRefused(f"the notification cannot be written ({type(error).__name__})") from error
        receiver.judge(await self._send(receiver.address_rules, request))

    def _retry(self, row: Claimed, error: DeliveryRetryable) -> Callable[[], None]:
        policy, now = self._receivers[row.receiver].policy, self._clock.now()
        if now - row.created_at >= policy.give_up_after:
            return self._give_up(row, outcomes.EXPIRED, f"given up for its age; last: {error}")
        pause = policy.backoff.delay(row.attempts, self._roll(), error.retry_after)
        self._count(row, outcomes.RETRIED)
        log.warning("receiver %s: %s; attempt %d, next in %.0f s", row.receiver, error, row.attempts, pause)
        return lambda: outbox.retry(self._db, row, now + pause, str(error))

    def _give_up(self, row: Claimed, outcome: str, text: str) -> Callable[[], None]:
        self._count(row, outcome)
        log.error("receiver %s: notification %d is lost to it: %s", row.receiver, row.id, text)
        return lambda: outbox.fail(self._db, row, text)

    def _count(self, row: Claimed, outcome: str) -> None:
        self._metrics.notifications.labels(row.receiver, outcome).inc()
