"""What the demo's clients tell over OTLP/HTTP: one trace a request, with GenAI spans as applications send them.

Spans wait in memory and go in batches. A receiver that is away or busy gets them again, up to MOST_WAITING; beyond
that the oldest are dropped and counted, as an SDK's queue does.
"""

from __future__ import annotations

import asyncio
import gzip
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

EVERY = 1.0
MOST_WAITING = 20_000
_BATCH = 500
_LONGEST_PAUSE = 15.0
_AGAIN = frozenset({429, 502, 503, 504})
"""The only answers of OTLP/HTTP that may be retried."""

Value = str | int | float | bool | Sequence[str]


@dataclass
class Call:
    """One model call as its client saw it. Times are Unix seconds; `ttft` seconds; `error` why it failed."""

    model: str
    prompt: str
    started: float
    trace_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    documents: Sequence[str] = ()
    retrieved: tuple[float, float] | None = None
    version: str = ""
    region: str = ""
    address: str = ""
    ended: float = 0.0
    ttft: float | None = None
    answer: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str | None = None


class Telemetry:
    """Sends calls to an OTLP receiver at `endpoint` (`http://host:port`); `run` until cancelled."""

    def __init__(self, endpoint: str, session: aiohttp.ClientSession) -> None:
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._session = session
        self._waiting: deque[list[Span]] = deque()
        self.dropped = 0

    def record(self, call: Call) -> None:
        """Note a call that has ended."""
        self._waiting.append(spans_of(call))
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    async def run(self) -> None:
        """Send what waits, every second; longer after a failure."""
        pause = EVERY
        while True:
            await asyncio.sleep(pause)
            pause = EVERY if await self.flush() else min(2 * pause, _LONGEST_PAUSE)

    async def flush(self) -> bool:
        """Send everything that waits now; False when the receiver has to be asked again later."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            if await self._send(batch) in _AGAIN:
                self._waiting.extendleft(reversed(batch))
                return False
        return True

    async def _send(self, batch: Sequence[Sequence[Span]]) -> int:
        """The answer's status; 503 stands for a receiver that does not answer."""
        scope = ScopeSpans(spans=[span for spans in batch for span in spans])
        resource = Resource(attributes=_attributes({"service.name": "demo-chat"}))
        message = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])
        body = gzip.compress(message.SerializeToString(), compresslevel=1)
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        try:
            async with asyncio.timeout(10), self._session.post(self._url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (TimeoutError, aiohttp.ClientError):
            return 503


def spans_of(call: Call) -> list[Span]:
    """The trace of a call: the application's request, what it retrieved, and the model call itself."""
    root = _span(call, "POST /chat", Span.SPAN_KIND_SERVER, call.started, call.ended, {"http.route": "/chat"})
    spans = [root]
    if call.retrieved is not None:
        store = {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "handbook"}
        spans.append(_span(call, "retrieval handbook", Span.SPAN_KIND_CLIENT, *call.retrieved, store, root.span_id))
    began = call.retrieved[1] if call.retrieved is not None else call.started
    model = _span(call, f"chat {call.model}", Span.SPAN_KIND_CLIENT, began, call.ended, _model_call(call), root.span_id)
    if call.error is not None:
        for failed in (root, model):
            failed.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=call.error))
    return [*spans, model]


def _model_call(call: Call) -> dict[str, Value]:
    host, _, port = call.address.rpartition(":")
    told: dict[str, Value | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": call.model,
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": None if call.finish_reason is None else [call.finish_reason],
        "gen_ai.response.time_to_first_chunk": call.ttft,
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.input.messages": _message("user", call.prompt),
        "gen_ai.output.messages": None if call.answer is None else _message("assistant", call.answer),
        "gen_ai.retrieval.documents": _documents(call.documents) if call.documents else None,
        "error.type": call.error,
        "deployment.version": call.version,
        "cloud.region": call.region,
        "server.address": host,
        "server.port": int(port) if port else None,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _message(role: str, text: str) -> str:
    return orjson.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}]).decode()


def _documents(texts: Sequence[str]) -> str:
    found = [{"id": f"doc-{i}", "score": round(1 - i / 20, 2), "content": text} for i, text in enumerate(texts, 1)]
    return orjson.dumps(found).decode()


def _span(
    call: Call,
    name: str,
    kind: Span.SpanKind.ValueType,
    began: float,
    ended: float,
    attributes: Mapping[str, Value],
    parent: bytes = b"",
) -> Span:
    return Span(
        trace_id=call.trace_id,
        span_id=secrets.token_bytes(8),
        parent_span_id=parent,
        name=name,
        kind=kind,
        start_time_unix_nano=int(began * 1e9),
        end_time_unix_nano=int(max(began, ended) * 1e9),
        attributes=_attributes(attributes),
    )


def _attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any(value)) for name, value in values.items()]


def _any(value: Any) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[_any(one) for one in value]))
