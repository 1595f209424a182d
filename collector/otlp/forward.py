"""Spans on their way to trace backends: by OTLP/HTTP, from a queue in memory that is bounded by bytes.

Nothing here delays or fails the receiver: what finds no room, is refused, or waits too long is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx

from collector.metrics import OtlpMetrics
from collector.otlp.answer import PROTOBUF
from collector.otlp.forward_parts import Parcel
from collector.settings import ForwardTarget
from core.clock import Clock
from core.egress import AddressRules, Answer, Backoff, Request, Timeouts, Tls, exchange, open_client
from core.errors import ConfigError, DeliveryError, DeliveryRefused, DeliveryRetryable

log = logging.getLogger(__name__)

FULL, REFUSED, EXPIRED, ENDED = "full", "refused", "expired", "ended"
"""Why spans were dropped: no room, the backend does not want them, nobody took them in time, the receiver ended."""
_AGAIN = frozenset({429, 502, 503, 504})
"""The only answers of OTLP/HTTP after which the same request may be sent again."""
_MOST_BYTES = 4 * 2**20
"""Of one request before compression: some thousand spans; every backend takes that much."""
BACKOFF = Backoff(base=1.0, cap=30.0)


class Forwarder:
    """Sends to one backend. All of it runs in one event loop; ConfigError where a TLS file cannot be read."""

    def __init__(self, target: ForwardTarget, clock: Clock, metrics: OtlpMetrics) -> None:
        self.target = target
        self._clock = clock
        self._metrics = metrics
        self._queue: deque[Parcel] = deque()
        self._sending: list[Parcel] = []
        self._bytes = 0
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._broken = False
        self._client = _client(target)

    def reserve(self, parcel: Parcel) -> bool:
        """Take room for spans that are not committed yet; false, and counted, where there is none."""
        if self._bytes + len(parcel.body) > self.target.queue_bytes:
            self._drop([parcel], FULL)
            return False
        self._add(len(parcel.body))
        return True

    def release(self, parcel: Parcel) -> None:
        """Give the room of spans back that will not be sent."""
        self._add(-len(parcel.body))

    def put(self, parcel: Parcel) -> None:
        """Queue spans that have room."""
        self._queue.append(parcel)
        self._filled.set()
        self._empty.clear()

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                await self._filled.wait()
                self._sending = self._next()
                await self._deliver(self._sending)
                for one in self._sending:
                    self.release(one)
                self._sending = []
                if not self._queue:
                    self._filled.clear()
                    self._empty.set()
        finally:
            await self._client.aclose()

    async def finish(self, grace: float) -> None:
        """Wait `grace` seconds for the queue to empty; what is left is dropped."""
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            self._drop([*self._sending, *self._queue], ENDED)

    def _next(self) -> list[Parcel]:
        batch, size = [self._queue.popleft()], 0
        while self._queue and (size := size + len(batch[-1].body)) + len(self._queue[0].body) <= _MOST_BYTES:
            batch.append(self._queue.popleft())
        return batch

    async def _deliver(self, batch: Sequence[Parcel]) -> None:
        body = await asyncio.to_thread(_packed, b"".join(one.body for one in batch))
        spans, until, attempt = sum(one.spans for one in batch), self._clock.monotonic() + self.target.give_up, 0
        while True:
            attempt += 1
            try:
                await self._send(body)
            except DeliveryRetryable as problem:
                roll = random.random()  # noqa: S311 - jitter
                pause = BACKOFF.delay(attempt, roll, problem.retry_after)
                self._failed(problem)
                if self._clock.monotonic() + pause > until:
                    self._drop(batch, EXPIRED)
                    return
                await asyncio.sleep(pause)
            except DeliveryRefused as problem:
                self._failed(problem)
                self._drop(batch, REFUSED)
                return
            else:
                self._metrics.forwarded.labels(self.target.name).inc(spans)
                self._works()
                return

    async def _send(self, body: bytes) -> None:
        headers = await asyncio.to_thread(_headers, self.target)
        request = Request(
            self.target.url,
            headers={**headers, "Content-Type": PROTOBUF, "Content-Encoding": "gzip"},
            content=body,
            secrets=(*headers.values(), self.target.url),
        )
        _accept(await exchange(self._client, request, self._clock.now(), self.target.timeout))

    def _failed(self, problem: DeliveryError) -> None:
        self._metrics.forward_failures.labels(self.target.name).inc()
        if not self._broken:
            log.warning("spans are not forwarded to %s now: %s", self.target.name, problem)
        self._broken = True

    def _works(self) -> None:
        if self._broken:
            log.info("spans are forwarded to %s again", self.target.name)
        self._broken = False

    def _drop(self, batch: Sequence[Parcel], reason: str) -> None:
        self._metrics.forward_dropped.labels(self.target.name, reason).inc(sum(one.spans for one in batch))

    def _add(self, size: int) -> None:
        self._bytes += size
        self._metrics.forward_queue.labels(self.target.name).set(self._bytes)


class Forwarding:
    """All backends together."""

    def __init__(self, targets: Sequence[ForwardTarget], clock: Clock, metrics: OtlpMetrics) -> None:
        self._forwarders = [Forwarder(one, clock, metrics) for one in targets]
        self.wanted = frozenset(one.which for one in targets)

    @contextmanager
    def held(self, parcels: Mapping[str, Parcel]) -> Iterator[Callable[[], None]]:
        """Room for the parcels as long as a request is on its way. The function that is given sends them; without it
        they are forgotten: the client sends them again."""
        taken = [
            (one, parcels[one.target.which])
            for one in self._forwarders
            if one.target.which in parcels and one.reserve(parcels[one.target.which])
        ]

        def send() -> None:
            while taken:
                forwarder, parcel = taken.pop()
                forwarder.put(parcel)

        try:
            yield send
        finally:
            for forwarder, parcel in taken:
                forwarder.release(parcel)

    async def run(self) -> None:
        """Send until cancelled."""
        await asyncio.gather(*(one.run() for one in self._forwarders), asyncio.Event().wait())

    async def finish(self, grace: float) -> None:
        """Wait `grace` seconds for all queues to empty."""
        await asyncio.gather(*(one.finish(grace) for one in self._forwarders))


def _client(target: ForwardTarget) -> httpx.AsyncClient:
    tls = Tls(target.tls.ca_file, target.tls.cert_file, target.tls.key_file)
    limits = Timeouts(read=target.timeout, total=target.timeout)
    try:
        return open_client(AddressRules(allow_private=target.allow_private), tls, limits)
    except OSError as error:
        raise ConfigError(f"forward {target.name}: a TLS file cannot be used: {error.strerror or error}") from error


def _headers(target: ForwardTarget) -> dict[str, str]:
    """The headers, from their files as they are now."""
    try:
        return {name: path.read_text("ascii").strip() for name, path in target.header_files.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryRetryable(f"a header's file cannot be read ({type(error).__name__})") from None


def _accept(answer: Answer) -> None:
    if answer.status in range(200, 300):
        return
    if answer.status in _AGAIN:
        raise DeliveryRetryable(f"answered {answer.status}", answer.retry_after)
    raise DeliveryRefused(f"answered {answer.status}")


def _packed(body: bytes) -> bytes:
    packer = zlib.compressobj(level=1, wbits=31)  # level 6 takes four times as long for a fifth less
    return packer.compress(body) + packer.flush()
