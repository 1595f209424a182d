"""gRPC: from a call to its answer. Which services there are is a table; a call of any other is UNIMPLEMENTED.

A handler takes the bytes of the request's message as they came, perhaps gzip, and gives the answer's message. gRPC
itself would decompress a message of any size before anybody can look at it, so that is switched off
(grpc_server.py), and the limit is that of HTTP: after decompression. gRPC then does not tell whether a message was
compressed. Its first bytes do: in protobuf the first byte of gzip would be field 3 of wire type 7, which there is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message

from collector.metrics import OtlpMetrics
from collector.otlp.answer import PROTOBUF, Refused, response
from collector.otlp.grpc_answer import Refusals, code_of
from collector.otlp.receive import BODY_SECONDS, Receiver, refusals, too_slow

Handler = Callable[[bytes], Awaitable[Message]]
Context = grpc.aio.ServicerContext[Any, Any]
_GZIP = b"\x1f\x8b"


def services(receiver: Receiver) -> Mapping[str, Handler]:
    """The path of each call that is served, and what answers it."""

    async def traces(data: bytes) -> Message:
        prepared = await receiver.take(data, encoding_of(data), PROTOBUF)
        return response(prepared.rejected, refusals(prepared))

    found: dict[str, Handler] = {"/opentelemetry.proto.collector.trace.v1.TraceService/Export": traces}
    if (points := receiver.points) is not None:

        async def metrics(data: bytes) -> Message:
            return await points.take(data, encoding_of(data), PROTOBUF)

        found["/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"] = metrics
    return found


def encoding_of(data: bytes) -> str:
    """How a message is compressed."""
    return "gzip" if data.startswith(_GZIP) else ""


class Services(grpc.GenericRpcHandler):
    """Answers calls by the table. A call takes its place before its message is read, as over HTTP: so handlers are
    given streams, which on the wire are the same for a single message."""

    def __init__(self, receiver: Receiver, max_body: int, metrics: OtlpMetrics) -> None:
        self._receiver = receiver
        self._max_body = max_body
        self._metrics = metrics
        self._refusals = Refusals()
        self._handlers = services(receiver)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """gRPC asks for each call how it is answered."""
        path = handler_call_details.method

        async def answer(messages: AsyncIterator[bytes], context: Context) -> bytes:
            return await self._answer(path, messages, context)

        return grpc.stream_unary_rpc_method_handler(answer)

    async def _answer(self, path: str, messages: AsyncIterator[bytes], context: Context) -> bytes:
        try:
            answer = await self._served(path, messages)
        except Refused as problem:
            self._metrics.grpc_requests.labels(code_of(problem).name).inc()
            await context.abort(code_of(problem), problem.message, self._refusals.trailers(problem))
        self._metrics.grpc_requests.labels(grpc.StatusCode.OK.name).inc()
        return answer

    async def _served(self, path: str, messages: AsyncIterator[bytes]) -> bytes:
        handler = self._handlers.get(path)
        if handler is None:
            raise Refused(404, f"{path[:100]} is not served here: only {', '.join(self._handlers)}")
        with self._receiver.place():
            answer: bytes = (await handler(await self._message(messages))).SerializeToString()
        return answer

    async def _message(self, messages: AsyncIterator[bytes]) -> bytes:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await anext(messages)
        except TimeoutError:
            raise too_slow() from None
        except StopAsyncIteration:  # gRPC has answered already where the message was too large
            raise Refused(413, f"the call brings no message, or one of over {self._max_body} bytes") from None
