"""The receiver as applications meet it: over HTTP, mostly from the official SDK."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry

from collector.metrics import OtlpMetrics
from collector.otlp.answer import JSON, PROTOBUF
from collector.otlp.commit import OtlpLedger, Receipt
from collector.otlp.server import OtlpReceiver
from collector.settings import CollectorSettings, OtlpSettings
from core.clock import Clock, ManualClock, SystemClock
from core.errors import StorageBusy, StorageError, StorageFull
from core.texts import TextCipher
from storage import generations, samples
from tests.collector.otlp.told import ALL, CHAT, NOW, call, new_database, request, span, totals

CANARY = "wandering heliotrope"
LIMIT = 100_000


class Running:
    """A receiver in a thread with a loop of its own."""

    def __init__(self, folder: Path, clock: Clock, **settings: Any) -> None:
        self.folder = folder
        self.database = new_database(folder)
        self.registry = CollectorRegistry()
        chosen = OtlpSettings(**{"port": 0, "grpc": {"port": 0}, "strata": ALL, "max_body": LIMIT, **settings})
        self._settings = CollectorSettings(flush_interval=0.1, otlp=chosen)
        self._clock = clock
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._ready.wait(20)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        metrics = OtlpMetrics(self.registry)
        self.receiver = OtlpReceiver(self.database, self._settings, self.folder / "text.key", self._clock, metrics)
        task = asyncio.create_task(self.receiver.run(self._stop))
        bound = asyncio.create_task(self.receiver.port())
        await asyncio.wait([task, bound], return_when=asyncio.FIRST_COMPLETED)
        self.port = await bound
        self._ready.set()
        await task

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.database.dispose()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def post(self, content: bytes, media: str = PROTOBUF, **headers: str) -> httpx.Response:
        return httpx.post(self.url, content=content, headers={"Content-Type": media, **headers}, timeout=30)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts receivers over one folder; they end with the test."""
    running: list[Running] = []

    def begin(clock: Clock | None = None, **settings: Any) -> Running:
        running.append(Running(tmp_path, clock or ManualClock(NOW), **settings))
        return running[-1]

    yield begin
    for one in running:
        if one._thread.is_alive():
            one.end()


@contextmanager
def sdk(url: str, compression: Compression) -> Iterator[Any]:
    resource = Resource({"service.name": "shop", "service.version": "v7", "cloud.region": "eu", "tenant.id": "acme"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, compression=compression)))
    yield provider.get_tracer("tests")
    provider.shutdown()


@pytest.mark.parametrize("compression", list(Compression))
def test_calls_of_the_official_sdk_are_counted_drawn_and_kept(start: Start, compression: Compression) -> None:
    here = start(SystemClock())
    with sdk(here.url, compression) as tracer:
        for n in range(30):
            told = {**CHAT, "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.output_tokens": n}
            with (
                tracer.start_as_current_span("request"),
                tracer.start_as_current_span("chat m", kind=SpanKind.CLIENT, attributes=told) as one,
            ):
                one.add_event("token", {"token.index": 1})
    found = generations.recent(here.database, 0.0)
    assert len(found) == samples.waiting(here.database) == totals(here.database)["drawn stratum=default"] == 30
    assert found[0].group == (("model", "m"), ("region", "eu"), ("tenant", "acme"), ("version", "v7"))
    spans, calls = generations.trace(here.database, found[0].trace_id)
    assert [one.name for one in spans] == ["request", "chat m"]
    assert spans[1].parent_id == spans[0].span_id
    assert spans[1].events[0]["attributes"] == {"token.index": 1}
    assert calls == [found[0]]


@pytest.mark.parametrize("media", [JSON, PROTOBUF])
def test_the_answer_has_the_type_of_the_request(start: Start, media: str) -> None:
    here = start()
    empty = b"{}" if media == JSON else b""
    good, bad = here.post(empty, f"{media}; charset=utf-8"), here.post(b"\x01{", media)
    assert (good.status_code, bad.status_code) == (200, 400)
    for answer in (good, bad):
        assert answer.headers["content-type"].split(";")[0] == media
    if media == JSON:
        assert good.json() == {}
        assert bad.json()["message"]
        assert bad.json()["details"][0]["@type"].endswith("google.rpc.BadRequest")
    else:
        assert ExportTraceServiceResponse.FromString(good.content) == ExportTraceServiceResponse()
        assert Status.FromString(bad.content).message


def test_json_is_read_by_its_own_rules(start: Start) -> None:
    here = start()
    told = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "name": "chat m",
        "kind": 3,
        "startTimeUnixNano": str(int(NOW - 2) * 10**9),
        "endTimeUnixNano": str(int(NOW - 1) * 10**9),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "12"}},
        ],
        "unknown": 1,
    }
    answer = here.post(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}).encode(), JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    (found,) = generations.recent(here.database, 0.0)
    assert (found.trace_id, found.output_tokens) == ("5b8efff798038103d269b633813fc60c", 12)


@pytest.mark.parametrize("name", ["resourceMetrics", "resourceLogs"])
def test_other_signals_in_json_are_names_that_are_not_known(start: Start, name: str) -> None:
    here = start()
    answer = here.post(json.dumps({name: [{"resource": {}}]}).encode(), JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    assert totals(here.database) == {}


def test_log_records_in_protobuf_decode_as_spans_without_ids_and_are_refused(start: Start) -> None:
    scope = ScopeLogs(log_records=[LogRecord(time_unix_nano=1), LogRecord(time_unix_nano=2)])
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[scope])])
    answer = start().post(logs.SerializeToString())
    found = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, found.rejected_spans) == (200, 2)
    assert "log record" in found.error_message


def test_partial_success_names_the_first_refused_span(start: Start) -> None:
    answer = start().post(request(span(), call(2), span(3, duration=-1)).SerializeToString())
    found = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, found.rejected_spans) == (200, 1)
    assert found.error_message.startswith("spans refused: 1;")
    assert "0000000000000003" in found.error_message


def test_partial_success_in_json_counts_the_others(start: Start) -> None:
    here = start()
    answer = here.post(b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}, {}]}]}]}', JSON)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "2"
    assert here.count("burnline_otlp_spans_rejected_total") == 2


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"x" * (LIMIT + 1), {}, 413),
        (gzip.compress(bytes(200 * LIMIT), mtime=0), {"Content-Encoding": "gzip"}, 413),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (b"", {"Content-Encoding": "br"}, 415),
        (b"", {"media": "text/plain"}, 415),
        (b"\xff\xff", {}, 400),
    ],
)
def test_bodies_that_are_refused_for_good(start: Start, content: bytes, headers: dict[str, str], status: int) -> None:
    here = start()
    answer = here.post(content, **{"media": PROTOBUF, **headers})
    assert answer.status_code == status
    assert "retry-after" not in answer.headers
    assert here.post(request(call()).SerializeToString()).status_code == 200


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs", "/v1development/profiles", "/"])
def test_other_signals_are_not_served(start: Start, path: str) -> None:
    here = start()
    url = here.url.replace("/v1/traces", path)
    answer = httpx.post(url, content=b"", headers={"Content-Type": PROTOBUF})
    assert answer.status_code == 404
    assert "only traces" in Status.FromString(answer.content).message
    assert httpx.get(here.url).status_code == 405


def test_a_client_that_goes_away_leaves_the_others_alone(start: Start) -> None:
    here = start()
    with socket.create_connection(("127.0.0.1", here.port)) as client:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 1000\r\n\r\n"
        client.sendall(head.encode() + b"part")
    assert here.post(request(call()).SerializeToString()).status_code == 200
    assert len(generations.recent(here.database, 0.0)) == 1


@pytest.mark.parametrize("error", [StorageFull("disk is full"), StorageBusy("locked"), StorageError("broken")])
def test_what_cannot_be_stored_is_not_confirmed_and_counts_when_it_comes_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, error: StorageError
) -> None:
    here = start()
    told = request(call(told={"gen_ai.output.messages": CANARY})).SerializeToString()

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("storage.generations.add", fail)
        answer = here.post(told)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert CANARY not in answer.text
    assert generations.recent(here.database, 0.0) == []
    assert here.post(told).status_code == 200
    assert totals(here.database)["drawn stratum=default"] == 1


def test_too_many_requests_are_told_to_wait_and_those_that_came_go_together(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, began = threading.Event(), threading.Event()
    sizes: list[int] = []
    real = OtlpLedger.commit

    def slow(ledger: OtlpLedger, batch: Any, now: float) -> Receipt:
        found = list(batch)
        if found:
            sizes.append(len(found))
            began.set()
            assert go.wait(20)
        return real(ledger, found, now)

    monkeypatch.setattr(OtlpLedger, "commit", slow)
    here = start(queue=4)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(here.post(request(call(n)).SerializeToString()).status_code))
        for n in range(1, 5)
    ]
    threads[0].start()
    assert began.wait(20)
    for thread in threads[1:]:
        thread.start()
    while here.receiver._receiver._on_their_way < 4:
        time.sleep(0.01)
    refused = here.post(request(call(9)).SerializeToString())
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    go.set()
    for thread in threads:
        thread.join(20)
    assert sum(one == 200 for one in answers) == 4
    assert sizes[0] == 1
    assert len(sizes) < 4
    assert len(generations.recent(here.database, 0.0)) == 4


def test_one_bad_request_of_a_commit_keeps_no_other_out(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    real = generations.add

    def picky(connection: Any, found: Any) -> None:
        if any(one.output_tokens == 13 for one in found):
            raise StorageError("cannot be stored")
        real(connection, found)

    here = start()
    monkeypatch.setattr("storage.generations.add", picky)
    told = [request(call(n, told={"gen_ai.usage.output_tokens": n})).SerializeToString() for n in (13, 14, 15)]
    answers: dict[int, int] = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: here.post(told[n]).status_code})) for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == {0: 503, 1: 200, 2: 200}


def test_no_content_is_in_any_file_and_its_sealed_form_goes_in_time(start: Start) -> None:
    clock = ManualClock(NOW)
    here = start(clock, text_ttl=60)
    told = {"gen_ai.output.messages": CANARY, "input.value": CANARY, "gen_ai.prompt.0.content": CANARY}
    for n in range(1, 4):
        assert here.post(request(call(n, trace=n, told=told)).SerializeToString()).status_code == 200
    one, *_ = samples.lease(here.database, "test", NOW, 0.0, 10)
    sealed = one.text
    assert sealed is not None
    cipher = TextCipher.from_file(here.folder / "text.key")
    assert cipher.open((one.trace_id, one.span_id), sealed).output == CANARY
    assert files_with(here.folder, CANARY.encode()) == []
    assert files_with(here.folder, sealed) != []
    ledger = OtlpLedger(here.database, "0", 2000, OtlpSettings())
    assert ledger.keep_house(NOW + 61) == 3
    assert samples.waiting(here.database) == 3
    here.end()
    assert files_with(here.folder, CANARY.encode()) == files_with(here.folder, sealed) == []


def files_with(folder: Path, content: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and content in path.read_bytes()]


def test_a_second_receiver_over_the_same_folder_goes_on(start: Start) -> None:
    first = start()
    told = [request(call(n)).SerializeToString() for n in (1, 2)]
    assert first.post(told[0]).status_code == 200
    first.end()
    second = start()
    assert [second.post(one).status_code for one in told] == [200, 200]
    assert totals(second.database)["drawn stratum=default"] == 2
    assert second.count("burnline_otlp_duplicates_total") == 1


def test_a_port_that_is_taken_is_tried_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("collector.otlp.server._PORT_AGAIN", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        freed = threading.Timer(1.0, taken.close)
        freed.start()
        here = start(port=taken.getsockname()[1])  # returns once it listens
        freed.join()
    assert here.post(b"").status_code == 200
    assert here.count("burnline_otlp_listening") == 1
    assert caplog.text.count("no spans are received yet") == 1
