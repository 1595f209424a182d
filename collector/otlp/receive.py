"""HTTP: from a request to its answer. POST /v1/traces is taken; every error is a google.rpc.Status.

What is said here of one request holds for gRPC, too: `place`, `take` (collector/otlp/grpc_services.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from aiohttp import web

from collector.metrics import OtlpMetrics
from collector.otlp import body
from collector.otlp.answer import JSON, PROTOBUF, Refused, accepted, refused
from collector.otlp.commit import OtlpLedger
from collector.otlp.decode import decode
from collector.otlp.forward import Forwarding
from collector.otlp.forward_parts import Parcel, parcels
from collector.otlp.prepare import Prepared, Preparer
from collector.otlp.queue import CommitQueue
from collector.push.otlp.route import MetricsRoute
from core.clock import Clock
from core.errors import ParseError, StorageBusy, StorageError

log = logging.getLogger(__name__)

BODY_SECONDS = 30.0
_BUSY_AGAIN, _BROKEN_AGAIN = 1, 5
"""Seconds for Retry-After: a queue empties within a second; a full disk or a long lock does not."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """Takes requests; at most `queue` at once."""

    def __init__(
        self,
        preparer: Preparer,
        ledger: OtlpLedger,
        queue: CommitQueue,
        forwarding: Forwarding,
        clock: Clock,
        metrics: OtlpMetrics,
    ) -> None:
        self._preparer = preparer
        self._forwarding = forwarding
        self._ledger = ledger
        self._queue = queue
        self._clock = clock
        self._metrics = metrics
        self._limits = ledger.settings
        self.points: MetricsRoute | None = None
        """What takes metrics."""
        self._on_their_way = 0
        # One thread reads bodies, one after the other: the scraper's loop goes on, and memory has a bound.
        self._reader = ThreadPoolExecutor(1, "otlp")

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._as_status])
        app.router.add_post("/v1/traces", self._traces)
        if self.points is not None:
            app.router.add_post("/v1/metrics", self.points.answer)
        return app

    def close(self) -> None:
        """End the reading thread."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    @web.middleware
    async def _as_status(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        media = PROTOBUF if request.content_type == PROTOBUF else JSON
        try:
            answer = await handler(request)
        except Refused as problem:
            answer = refused(media, problem)
        except web.HTTPNotFound:
            taken = "traces at /v1/traces" + ("" if self.points is None else ", metrics at /v1/metrics")
            answer = refused(media, Refused(404, f"{request.path[:100]} is not served here: only {taken}"))
        except web.HTTPException as problem:
            answer = refused(media, Refused(problem.status, problem.reason))
        self._metrics.requests.labels(str(answer.status)).inc()
        return answer

    async def _traces(self, request: web.Request) -> web.Response:
        media = request.content_type
        if media not in (PROTOBUF, JSON):
            raise Refused(415, f"Content-Type {media[:50]!r} is not known: send {PROTOBUF} or {JSON}")
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        with self.place():
            prepared = await self.take(await self._body(request), encoding, media)
        return accepted(media, prepared.rejected, refusals(prepared))

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the `queue` places of requests on their way to a commit, taken before a body is read; 429 where none
        is free."""
        if self._on_their_way >= self._limits.queue:
            raise Refused(429, "too many requests wait for their commit", _BUSY_AGAIN)
        self._on_their_way += 1
        try:
            yield
        finally:
            self._on_their_way -= 1

    async def take(self, data: bytes, encoding: str, media: str) -> Prepared:
        """What a body brought, once it is committed; Refused where it is not taken."""
        loop = asyncio.get_running_loop()
        prepared, found = await loop.run_in_executor(self._reader, self._prepare, data, encoding, media)
        self._metrics.prepared(prepared)
        with self._forwarding.held(found) as forward:
            await self._commit(prepared)
            forward()
        return prepared

    async def _body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await body.read(request.content, self._limits.max_body)
        except TimeoutError:
            raise too_slow() from None

    def _prepare(self, data: bytes, encoding: str, media: str) -> tuple[Prepared, Mapping[str, Parcel]]:
        plain = body.decompress(data, encoding, self._limits.max_body)
        try:
            request = decode(plain, media)
        except ParseError as error:
            raise Refused(400, str(error)) from None
        now = self._clock.now()
        prepared = self._preparer.prepare(request, now, self._ledger.earliest(now))
        return prepared, parcels(request, self._forwarding.wanted, self._preparer.keeps)

    async def _commit(self, prepared: Prepared) -> None:
        if not prepared.calls and not prepared.spans:
            return
        try:
            await self._queue.put(prepared)
        except StorageError as error:
            log.error("spans are not taken now, clients send them again: %s", error)
            again = _BUSY_AGAIN if isinstance(error, StorageBusy) else _BROKEN_AGAIN
            raise Refused(503, "the spans could not be stored; send them again", again) from None


def too_slow() -> Refused:
    """A body that did not come in time."""
    return Refused(503, f"the body took over {BODY_SECONDS:.0f} s", _BROKEN_AGAIN)


def refusals(prepared: Prepared) -> str:
    """What a partial success says; empty where nothing was refused."""
    if not prepared.rejected:
        return ""
    return f"spans refused: {prepared.rejected}; the others are stored; the first: {prepared.problem}"
