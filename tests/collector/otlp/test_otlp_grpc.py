"""The receiver over gRPC, mostly as OpenTelemetry's own exporter meets it."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from collector.otlp import grpc_services
from collector.otlp.answer import Refused
from collector.otlp.commit import OtlpLedger, Receipt
from collector.otlp.grpc_answer import CODES, Refusals
from collector.settings import OtlpSettings
from core.clock import SystemClock
from core.errors import StorageBusy, StorageError, StorageFull
from storage import generations, samples
from tests.collector.otlp.test_otlp_server import LIMIT, Running, Start, start
from tests.collector.otlp.told import CHAT, call, request, span, totals

__all__ = ["start"]

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
Gzip, Deflate = grpc.Compression.Gzip, grpc.Compression.Deflate


def port_of(here: Running) -> int:
    server = here.receiver.grpc
    assert server is not None
    return asyncio.run_coroutine_threadsafe(server.port(), here._loop).result(20)


def send(here: Running, content: bytes, path: str = TRACES, compression: Any = None) -> bytes:
    """The answer's bytes; grpc.RpcError where there is none."""
    with grpc.insecure_channel(f"127.0.0.1:{port_of(here)}", compression=compression) as channel:
        return channel.unary_unary(path)(content, timeout=30)  # type: ignore[no-any-return] # bytes, since nothing reads them


def refused(here: Running, content: bytes, **how: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as found:
        send(here, content, **how)
    return found.value


def status(error: Any) -> Status:
    return Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])


def retry_after(error: Any) -> float | None:
    """Seconds, told in both places or in none."""
    told = [RetryInfo.FromString(one.value) for one in status(error).details if one.Is(RetryInfo.DESCRIPTOR)]
    again = dict(error.trailing_metadata()).get("google.rpc.retryinfo-bin")
    assert told == ([RetryInfo.FromString(again)] if again is not None else [])
    return told[0].retry_delay.ToMilliseconds() / 1000 if told else None


def exporting(here: Running, compression: Any) -> tuple[TracerProvider, BatchSpanProcessor]:
    resource = Resource({"service.name": "shop", "service.version": "v7", "cloud.region": "eu", "tenant.id": "acme"})
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{port_of(here)}", compression=compression, timeout=30)
    provider, processor = TracerProvider(resource=resource, shutdown_on_exit=False), BatchSpanProcessor(exporter)
    provider.add_span_processor(processor)
    return provider, processor


def tell(provider: TracerProvider, calls: int) -> None:
    tracer = provider.get_tracer("tests")
    for n in range(calls):
        told = {**CHAT, "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.output_tokens": n}
        with (
            tracer.start_as_current_span("request"),
            tracer.start_as_current_span("chat m", kind=SpanKind.CLIENT, attributes=told),
        ):
            pass


@pytest.mark.parametrize("compression", [None, Gzip])
def test_calls_of_the_official_exporter_are_counted_drawn_and_kept(start: Start, compression: Any) -> None:
    here = start(SystemClock())
    provider, _ = exporting(here, compression)
    tell(provider, 30)
    provider.shutdown()
    found = generations.recent(here.database, 0.0)
    assert len(found) == samples.waiting(here.database) == totals(here.database)["drawn stratum=default"] == 30
    assert found[0].group == (("model", "m"), ("region", "eu"), ("tenant", "acme"), ("version", "v7"))
    spans, calls = generations.trace(here.database, found[0].trace_id)
    assert [one.name for one in spans] == ["request", "chat m"]
    assert calls == [found[0]]


def test_the_official_exporter_sends_again_after_unavailable(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    here = start(SystemClock())
    real, tries = generations.add, list[int]()

    def busy_twice(connection: Any, found: Any) -> None:
        tries.extend([len(found)] if found else [])
        if found and len(tries) <= 2:
            raise StorageBusy("locked")
        real(connection, found)

    monkeypatch.setattr("storage.generations.add", busy_twice)
    provider, processor = exporting(here, None)
    tell(provider, 5)
    assert processor.force_flush(30_000)
    provider.shutdown()
    assert here.count("burnline_otlp_grpc_requests_total", code="UNAVAILABLE") == 2
    assert here.count("burnline_otlp_grpc_requests_total", code="OK") == 1
    assert len(generations.recent(here.database, 0.0)) == totals(here.database)["drawn stratum=default"] == 5


def test_one_call_over_both_protocols_counts_once(start: Start) -> None:
    here = start()
    told = request(call(1), call(2)).SerializeToString()
    assert here.post(told).status_code == 200
    assert send(here, told) == send(here, told, compression=Gzip) == b""
    assert totals(here.database)["generations outcome=good stratum=default"] == 2
    assert here.count("burnline_otlp_duplicates_total") == 4


def test_partial_success_names_the_first_refused_span(start: Start) -> None:
    here = start()
    answer = send(here, request(span(), call(2), span(3, duration=-1)).SerializeToString())
    found = ExportTraceServiceResponse.FromString(answer).partial_success
    assert found.rejected_spans == 1
    assert "0000000000000003" in found.error_message
    assert here.count("burnline_otlp_spans_rejected_total") == 1


@pytest.mark.parametrize(
    ("content", "how", "code"),
    [
        (b"\xff\xff", {}, "INVALID_ARGUMENT"),
        (b"\x1f\x8bno gzip", {}, "INVALID_ARGUMENT"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], {}, "INVALID_ARGUMENT"),
        (b"x" * (LIMIT + 1), {}, "RESOURCE_EXHAUSTED"),
        (bytes(200 * LIMIT), {"compression": Gzip}, "RESOURCE_EXHAUSTED"),
        (bytes(2000 * LIMIT), {"compression": Gzip}, "RESOURCE_EXHAUSTED"),
        (b"", {"compression": Deflate}, "OK"),
        (b"x" * 1000, {"compression": Deflate}, "UNIMPLEMENTED"),
        (b"", {"path": METRICS}, "UNIMPLEMENTED"),
        (b"", {"path": "/x"}, "UNIMPLEMENTED"),
    ],
)
def test_what_is_refused_for_good(start: Start, content: bytes, how: dict[str, Any], code: str) -> None:
    here = start()
    if code != "OK":
        error: Any = refused(here, content, **how)
        assert error.code().name == code
        assert "google.rpc.retryinfo-bin" not in dict(error.trailing_metadata())
    assert send(here, request(call()).SerializeToString()) == b""


def test_garbage_is_told_what_is_wrong_with_it(start: Start) -> None:
    found = status(refused(start(), b"\xff\xff"))
    details = BadRequest.FromString(found.details[0].value)
    assert found.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert (
        details.field_violations[0].description
        == found.message
        == ("the body is no ExportTraceServiceRequest in protobuf")
    )


@pytest.mark.parametrize(
    ("error", "seconds"), [(StorageFull("disk is full"), 5), (StorageBusy("locked"), 1), (StorageError("broken"), 5)]
)
def test_what_cannot_be_stored_is_not_confirmed_and_counts_when_it_comes_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, error: StorageError, seconds: int
) -> None:
    here = start()
    told = request(call()).SerializeToString()

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("storage.generations.add", fail)
        problem: Any = refused(here, told)
    assert problem.code() is grpc.StatusCode.UNAVAILABLE
    assert 0.5 * seconds <= (retry_after(problem) or 0) <= 1.5 * seconds
    assert generations.recent(here.database, 0.0) == []
    assert send(here, told) == b""
    assert totals(here.database)["drawn stratum=default"] == 1


def test_both_protocols_share_the_places_and_a_call_without_one_is_told_to_wait(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, began = threading.Event(), threading.Event()
    real = OtlpLedger.commit

    def slow(ledger: OtlpLedger, batch: Any, now: float) -> Receipt:
        found = list(batch)
        if found:
            began.set()
            assert go.wait(20)
        return real(ledger, found, now)

    monkeypatch.setattr(OtlpLedger, "commit", slow)
    here = start(queue=1)
    thread = threading.Thread(target=lambda: here.post(request(call(1)).SerializeToString()))
    thread.start()
    assert began.wait(20)
    error: Any = refused(here, request(call(2)).SerializeToString())
    go.set()
    thread.join(20)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 0.5 <= (retry_after(error) or 0) <= 1.5
    assert send(here, request(call(2)).SerializeToString()) == b""


def test_a_client_that_goes_away_gives_its_place_back(start: Start) -> None:
    here = start(queue=1)

    def never() -> Any:
        threading.Event().wait(20)
        yield b""

    with grpc.insecure_channel(f"127.0.0.1:{port_of(here)}") as channel:
        waiting = channel.stream_unary(TRACES).future(never())
        while here.receiver._receiver._on_their_way < 1:
            time.sleep(0.01)
        waiting.cancel()
        while here.receiver._receiver._on_their_way > 0:
            time.sleep(0.01)
    assert send(here, request(call()).SerializeToString()) == b""


def test_a_message_that_does_not_come_is_not_waited_for(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.otlp.grpc_services.BODY_SECONDS", 0.1)
    here = start()
    ended = threading.Event()

    def late() -> Any:
        ended.wait(20)
        yield b""

    with grpc.insecure_channel(f"127.0.0.1:{port_of(here)}") as channel, pytest.raises(grpc.RpcError) as found:
        channel.stream_unary(TRACES)(late())
    ended.set()
    error: Any = found.value
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert 2.5 <= (retry_after(error) or 0) <= 7.5


def test_another_service_is_one_line_of_the_table(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    real, came = grpc_services.services, list[bytes]()

    async def metrics(data: bytes) -> Message:
        came.append(data)
        return ExportTraceServiceResponse()

    def more(receiver: Any) -> dict[str, Callable[[bytes], Awaitable[Message]]]:
        return {**real(receiver), METRICS: metrics}

    monkeypatch.setattr(grpc_services, "services", more)
    assert send(start(), b"a message", METRICS) == b""
    assert came == [b"a message"]


def test_clients_that_are_refused_together_are_told_to_come_again_apart() -> None:
    refusals, problem = Refusals(), Refused(429, "wait", 1)
    told = [RetryInfo.FromString(dict(refusals.trailers(problem))["google.rpc.retryinfo-bin"]) for _ in range(100)]
    delays = sorted(one.retry_delay.ToMilliseconds() for one in told)
    assert 500 <= delays[0] <= delays[-1] <= 1500
    assert all(later - earlier <= 20 for earlier, later in pairwise([500, *delays, 1500]))


def test_every_refusal_has_a_code() -> None:
    folder = Path(grpc_services.__file__).parent
    found = {int(one) for file in folder.glob("*.py") for one in re.findall(r"Refused\((\d+)", file.read_text())}
    assert found == set(CODES)


def test_a_port_that_is_taken_is_tried_again_while_http_receives(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("collector.otlp.server._PORT_AGAIN", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        here = start(grpc={"port": taken.getsockname()[1]})
        assert here.post(b"").status_code == 200
        while "no spans are received over gRPC yet" not in caplog.text:
            time.sleep(0.01)
        assert here.count("burnline_otlp_grpc_listening") == 0
    assert send(here, b"") == b""
    assert here.count("burnline_otlp_grpc_listening") == 1
    assert caplog.text.count("no spans are received over gRPC yet") == 1
    assert "Address already in use" in caplog.text


def test_two_receivers_do_not_share_a_port(start: Start, tmp_path: Path) -> None:
    first = start()
    port = port_of(first)
    second = start(grpc={"port": port})
    assert second.count("burnline_otlp_grpc_listening") == 0
    first.end()


def test_the_port_is_closed_when_the_receiver_ends(start: Start) -> None:
    here = start()
    port = port_of(here)
    here.end()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
    assert here.count("burnline_otlp_grpc_listening") == 0


def test_without_grpc_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys; from collector.otlp import server; from collector.settings import *\n"
        "assert 'grpc' not in sys.modules, 'grpc is loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_it_can_be_switched_off(start: Start) -> None:
    here = start(grpc={"enabled": False})
    assert here.receiver.grpc is None
    assert here.post(b"").status_code == 200


def test_http_and_grpc_need_a_port_each() -> None:
    with pytest.raises(ValueError, match=r"both 4317: HTTP and gRPC need a port each"):
        OtlpSettings(port=4317)
    assert OtlpSettings(port=4317, grpc={"port": 4318}).grpc.port == 4318  # type: ignore[arg-type] # as YAML has it
