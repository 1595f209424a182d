"""The demo's traces: what a span says, and that a receiver which fails for a while gets every call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from burnline.demo import telemetry
from burnline.demo.telemetry import Call, Telemetry, spans_of


def a_call(**changes: object) -> Call:
    call = Call("m", "the prompt", 100.0, documents=["a fact"], retrieved=(100.0, 100.5), version="v2", region="eu")
    call.ended, call.ttft, call.answer, call.finish_reason = 103.0, 0.25, "the answer", "stop"
    call.input_tokens, call.output_tokens, call.address = 7, 40, "127.0.0.1:8000"
    for name, value in changes.items():
        setattr(call, name, value)
    return call


def told(span: Span) -> dict[str, object]:
    kinds = {one.key: one.value.WhichOneof("value") for one in span.attributes}
    values = {one.key: getattr(one.value, str(kinds[one.key])) for one in span.attributes}
    return {
        k: [v.string_value for v in value.values] if kinds[k] == "array_value" else value for k, value in values.items()
    }


def test_a_call_is_a_trace_of_three_spans_under_one_root() -> None:
    root, found, model = spans_of(a_call())
    assert {one.trace_id for one in (root, found, model)} == {root.trace_id}
    assert found.parent_span_id == model.parent_span_id == root.span_id
    assert (model.start_time_unix_nano, model.end_time_unix_nano) == (100_500_000_000, 103_000_000_000)
    attributes = told(model)
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert attributes["gen_ai.response.time_to_first_chunk"] == 0.25
    assert (attributes["gen_ai.usage.output_tokens"], attributes["server.port"]) == (40, 8000)
    assert (attributes["deployment.version"], attributes["cloud.region"]) == ("v2", "eu")
    assert "the prompt" in str(attributes["gen_ai.input.messages"])


def test_a_call_that_failed_says_so_and_tells_nothing_that_it_does_not_know() -> None:
    *_, model = spans_of(a_call(error="500", answer=None, ttft=None, finish_reason=None, output_tokens=None))
    assert model.status.code == Status.STATUS_CODE_ERROR
    attributes = told(model)
    assert attributes["error.type"] == "500"
    assert not {"gen_ai.output.messages", "gen_ai.response.time_to_first_chunk"} & set(attributes)


class Receiver:
    """Answers with the given statuses in turn, then with 200; keeps the trace ids that it accepted."""

    def __init__(self, statuses: Sequence[int]) -> None:
        self._statuses = list(statuses)
        self.accepted: list[bytes] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()  # aiohttp has undone the compression
        status = self._statuses.pop(0) if self._statuses else 200
        if status == 200:
            message = ExportTraceServiceRequest.FromString(body)
            roots = [s for r in message.resource_spans for c in r.scope_spans for s in c.spans if not s.parent_span_id]
            self.accepted += [span.trace_id for span in roots]
        return web.Response(status=status)


async def send(receiver: Receiver, calls: Sequence[Call], flushes: int) -> Telemetry:
    app = web.Application()
    app.router.add_post("/v1/traces", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    async with aiohttp.ClientSession() as session:
        sender = Telemetry(f"http://127.0.0.1:{port}", session)
        for call in calls:
            sender.record(call)
        for _ in range(flushes):
            await sender.flush()
    await runner.cleanup()
    return sender


def test_a_receiver_that_is_busy_gets_every_call_once_and_in_order() -> None:
    calls, receiver = [a_call() for _ in range(1200)], Receiver([503, 429])
    for call, number in zip(calls, range(len(calls)), strict=True):
        call.trace_id = number.to_bytes(16, "big")
    asyncio.run(send(receiver, calls, flushes=3))
    assert receiver.accepted == [call.trace_id for call in calls]


def test_a_batch_that_is_refused_for_good_is_not_sent_again() -> None:
    receiver = Receiver([400])
    asyncio.run(send(receiver, [a_call()], flushes=2))
    assert receiver.accepted == []


def test_more_than_may_wait_drops_the_oldest_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "MOST_WAITING", 3)
    calls, receiver = [a_call() for _ in range(5)], Receiver([])
    sender = asyncio.run(send(receiver, calls, flushes=1))
    assert sender.dropped == 2
    assert receiver.accepted == [call.trace_id for call in calls[2:]]
