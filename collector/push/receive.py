"""HTTP: from a request to its answer. POST /api/v1/write is taken; it is answered after the request is durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from collector.metrics import PushMetrics
from collector.otlp import body
from collector.otlp.answer import Refused
from collector.push.service import PushService
from collector.push.way import Pushed
from collector.push.wire import TooLarge
from collector.settings import RemoteWriteReceiver
from core.errors import ParseError, StorageBusy, StorageError

log = logging.getLogger(__name__)

_BODY_SECONDS = 30.0
_BUSY_AGAIN, _BROKEN_AGAIN = 1, 5
"""Seconds for Retry-After."""
_PROTO = "prometheus.WriteRequest"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """Takes requests; at most `queue` at once."""

    def __init__(self, service: PushService, settings: RemoteWriteReceiver, metrics: PushMetrics) -> None:
        self._service, self._settings, self._metrics = service, settings, metrics
        self._on_their_way = 0

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._as_text])
        app.router.add_post("/api/v1/write", self._write)
        return app

    @web.middleware
    async def _as_text(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = await handler(request)
        except Refused as problem:
            answer = _text(problem)
        except web.HTTPNotFound:
            answer = _text(
                Refused(404, f"{request.path[:100]} is not served here: remote write is taken at /api/v1/write")
            )
        except web.HTTPException as problem:
            answer = _text(Refused(problem.status, problem.reason))
        self._metrics.requests.labels(str(answer.status)).inc()
        return answer

    async def _write(self, request: web.Request) -> web.Response:
        _check_form(request)
        if self._on_their_way >= self._settings.queue:
            raise Refused(503, "too many requests wait for their commit", _BUSY_AGAIN)
        if self._service.open_samples >= self._settings.max_open_samples:
            raise Refused(503, "too many samples wait for the rest of their pages", _BROKEN_AGAIN)
        self._on_their_way += 1
        try:
            pushed = await self._read(request)
            await self._keep(pushed)
        finally:
            self._on_their_way -= 1
        return web.Response(status=204)

    async def _read(self, request: web.Request) -> Pushed:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                data = await body.read(request.content, self._settings.max_body)
        except TimeoutError:
            raise Refused(503, f"the body took over {_BODY_SECONDS:.0f} s", _BROKEN_AGAIN) from None
        try:
            pushed = await self._service.read(data)
        except TooLarge as error:
            raise Refused(413, str(error)) from None
        except ParseError as error:
            raise Refused(400, str(error)) from None
        for reason, samples in (+pushed.dropped).items():
            self._metrics.dropped.labels(reason).inc(samples)
        return pushed

    async def _keep(self, pushed: Pushed) -> None:
        try:
            await self._service.keep(pushed)
        except StorageError as error:
            log.error("pushed samples are not taken now, senders send them again: %s", error)
            again = _BUSY_AGAIN if isinstance(error, StorageBusy) else _BROKEN_AGAIN
            raise Refused(503, "the samples could not be stored; send them again", again) from None


def _check_form(request: web.Request) -> None:
    """415 for what is not remote write 1.0: a sender of version 2 then falls back, or says so."""
    kind, _, parameters = request.headers.get("Content-Type", "").replace(" ", "").lower().partition(";")
    if kind not in ("", "application/x-protobuf") or (parameters and parameters != f"proto={_PROTO}".lower()):
        raise Refused(
            415, f"only remote write 1.0 is taken: Content-Type application/x-protobuf, or with proto={_PROTO}"
        )
    encoding = request.headers.get("Content-Encoding", "snappy").strip().lower()
    if encoding != "snappy":
        raise Refused(415, f"Content-Encoding {encoding[:50]!r} is not known: send snappy")


def _text(problem: Refused) -> web.Response:
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    return web.Response(status=problem.status, text=problem.message + "\n", headers=headers)
