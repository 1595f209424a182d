"""From the bytes of a request to OTLP's response, once it is durable: over HTTP at /v1/metrics.

`take` has no HTTP in it: whatever else receives such requests may call it.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as otlp
from prometheus_client import CollectorRegistry

from collector.metrics import PushMetrics
from collector.otlp import body
from collector.otlp.answer import JSON, PROTOBUF, Refused, accepted_points
from collector.otlp.decode import decode_into
from collector.push.otlp.reader import OtlpReader, keep, way_of
from collector.push.service import PushService, retire
from collector.push.way import Pushed
from collector.settings import CollectorSettings, OtlpSettings
from core.clock import Clock
from core.errors import ParseError, StorageBusy, StorageError
from storage.database import Database

log = logging.getLogger(__name__)

_BODY_SECONDS = 30.0
_BUSY_AGAIN, _BROKEN_AGAIN = 1, 5
"""Seconds for Retry-After."""
_LONGEST_MESSAGE = 2000


class MetricsRoute:
    """Takes requests; at most `queue` at once."""

    def __init__(self, service: PushService, settings: OtlpSettings, metrics: PushMetrics) -> None:
        self.service, self._settings, self._metrics = service, settings, metrics
        self._on_their_way = 0
        self._decoder = ThreadPoolExecutor(1, "otlp-metrics-body")

    async def answer(self, request: web.Request) -> web.Response:
        """One request over HTTP; Refused where it is not taken."""
        media = request.content_type
        if media not in (PROTOBUF, JSON):
            raise Refused(415, f"Content-Type {media[:50]!r} is not known: send {PROTOBUF} or {JSON}")
        if self._on_their_way >= self._settings.queue:
            raise Refused(429, "too many requests wait for their commit", _BUSY_AGAIN)
        self._on_their_way += 1
        try:
            encoding = request.headers.get("Content-Encoding", "").strip().lower()
            return accepted_points(media, await self.take(await self._body(request), encoding, media))
        finally:
            self._on_their_way -= 1

    async def take(self, data: bytes, encoding: str, media: str) -> otlp.ExportMetricsServiceResponse:
        """What a body brought is durable; Refused where it is not taken. `encoding`: gzip, deflate or none."""
        if self.service.open_samples >= self._settings.metrics.max_open_points:
            raise Refused(503, "too many points wait for the rest of their pages", _BROKEN_AGAIN)
        loop = asyncio.get_running_loop()
        kept = await loop.run_in_executor(self._decoder, self._decode, data, encoding, media)
        pushed = await self.service.read(kept)
        try:
            await self.service.keep(pushed)
        except StorageError as error:
            log.error("metrics are not taken now, clients send them again: %s", error)
            again = _BUSY_AGAIN if isinstance(error, StorageBusy) else _BROKEN_AGAIN
            raise Refused(503, "the metrics could not be stored; send them again", again) from None
        for reason, points in (+pushed.dropped).items():
            self._metrics.dropped.labels(reason).inc(points)
        return _response(pushed)

    async def finish(self) -> None:
        """Count what is settled, and end."""
        self._decoder.shutdown(wait=False, cancel_futures=True)
        await self.service.finish()

    async def _body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await body.read(request.content, self._settings.max_body)
        except TimeoutError:
            raise Refused(503, f"the body took over {_BODY_SECONDS:.0f} s", _BROKEN_AGAIN) from None

    def _decode(self, data: bytes, encoding: str, media: str) -> bytes:
        request = otlp.ExportMetricsServiceRequest()
        try:
            decode_into(request, body.decompress(data, encoding, self._settings.max_body), media)
        except ParseError as error:
            raise Refused(400, str(error)) from None
        return keep(request)


def metrics_route(
    database: Database, directory: Path, settings: CollectorSettings, clock: Clock, registry: CollectorRegistry
) -> MetricsRoute | None:
    """What takes metrics, None where they are not received: then nobody waits for what was received before."""
    way = way_of(settings)
    if not (settings.otlp.enabled and settings.otlp.metrics.enabled):
        retire(database, way, clock.now())
        return None
    metrics = PushMetrics(registry, "burnline_otlp_metrics")
    reader = OtlpReader(settings, clock)
    return MetricsRoute(PushService(database, directory, settings, way, reader, clock, metrics), settings.otlp, metrics)


def _response(pushed: Pushed) -> otlp.ExportMetricsServiceResponse:
    found = otlp.ExportMetricsServiceResponse()
    if pushed.rejected or pushed.problem:
        found.partial_success.rejected_data_points = pushed.rejected
        text = f"{pushed.rejected} points refused, the others are taken; the first: {pushed.problem}"
        found.partial_success.error_message = (text if pushed.rejected else pushed.problem)[:_LONGEST_MESSAGE]
    return found
