"""Forwarding to a trace backend that answers as it is told to, and to a second receiver."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from collector.metrics import OtlpMetrics
from collector.otlp.answer import JSON
from collector.otlp.forward import Forwarder
from collector.otlp.forward_parts import parcels
from collector.settings import ForwardTarget, OtlpSettings, Stratum
from core.clock import ManualClock, SystemClock
from core.egress import Backoff
from core.errors import ConfigError, StorageBusy
from storage import generations
from tests.collector.otlp.test_otlp_server import Running
from tests.collector.otlp.told import ALL, NOW, call, preparer, request, span

SECRET = "x-api-key-4711-wandering"
FORWARDED, DROPPED = "burnline_otlp_forwarded_spans_total", "burnline_otlp_forward_dropped_spans_total"


class Got(NamedTuple):
    """A request as the backend saw it."""

    headers: Mapping[str, str]
    found: ExportTraceServiceRequest


class Backend:
    """A trace backend in a thread: answers the first requests with `statuses`, the others with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[Got] = []
        self.asked = 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                backend.asked += 1
                status = backend.statuses.pop(0) if backend.statuses else 200
                if status == 200:
                    found = ExportTraceServiceRequest.FromString(gzip.decompress(body))
                    backend.got.append(Got(dict(self.headers), found))
                self.send_response(status)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def end(self) -> None:
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()

    def spans(self) -> list[Span]:
        return [
            s for one in self.got for of in one.found.resource_spans for scope in of.scope_spans for s in scope.spans
        ]

    def ids(self) -> list[int]:
        return [int.from_bytes(one.span_id, "big") for one in self.spans()]


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    yield made
    made.end()


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr("collector.otlp.forward.BACKOFF", Backoff(base=0.01, cap=0.05))
    running: list[Running] = []

    def begin(
        url: str, folder: str = "a", clock: Any = None, receiver: Mapping[str, Any] | None = None, **target: Any
    ) -> Running:
        (tmp_path / folder).mkdir()
        forward = (ForwardTarget(**{"name": "backend", "url": url, "which": "all", **target}),) if url else ()
        running.append(Running(tmp_path / folder, clock or ManualClock(NOW), forward=forward, **(receiver or {})))
        return running[-1]

    yield begin
    for one in running:
        if one._thread.is_alive():
            one.end()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def send(here: Running, *spans: Span) -> None:
    assert here.post(request(*spans).SerializeToString()).status_code == 200


def test_all_spans_come_as_they_were_sent_in_either_encoding(start: Start, backend: Backend) -> None:
    here = start(backend.url)
    told = request(call(1, told={"unknown": "kept"}), span(2, trace=2))
    send(here, *told.resource_spans[0].scope_spans[0].spans)
    in_json = json_format.MessageToDict(request(span(3)), use_integers_for_enums=True)
    (one,) = in_json["resourceSpans"][0]["scopeSpans"][0]["spans"]
    one.update(traceId="0" * 31 + "3", spanId="0" * 15 + "3")
    assert here.post(json.dumps(in_json).encode(), JSON).status_code == 200
    until(lambda: len(backend.ids()) == 3)
    assert backend.ids() == [1, 2, 3]
    assert backend.got[0].found.resource_spans[0] == told.resource_spans[0]
    assert backend.got[0].headers["Content-Type"] == "application/x-protobuf"
    until(lambda: here.count(FORWARDED, target="backend") == 3)
    assert here.count("burnline_otlp_forward_queue_bytes", target="backend") == 0


def test_sampled_are_the_spans_of_kept_traces_alone(start: Start, backend: Backend) -> None:
    strata = (Stratum(name="failed", match='outcome="bad"', always=True), Stratum(name="default", probability=0.0))
    here = start(backend.url, which="sampled", receiver={"strata": strata})
    send(here, span(9, trace=9))
    send(here, span(1, trace=1), call(2, trace=1, failed=True), call(3, trace=2), span(4, trace=2))
    until(lambda: len(backend.ids()) == 2)
    assert backend.ids() == [1, 2]
    assert backend.asked == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_sent_again_is_sent_again(start: Start, backend: Backend, status: int) -> None:
    backend.statuses = [status, status]
    here = start(backend.url)
    send(here, call(1))
    until(lambda: backend.ids() == [1])
    assert backend.asked == 3
    until(lambda: here.count(FORWARDED, target="backend") == 1)
    assert here.count("burnline_otlp_forward_failures_total", target="backend") == 2


@pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 500, 501, 307])
def test_what_is_refused_for_good_is_dropped_counted_and_holds_nothing_up(
    start: Start, backend: Backend, status: int
) -> None:
    backend.statuses = [status]
    here = start(backend.url)
    send(here, call(1), span(2))
    until(lambda: here.count(DROPPED, target="backend", reason="refused") == 2)
    send(here, call(3))
    until(lambda: backend.ids() == [3])
    assert backend.asked == 2


def test_a_backend_that_is_away_costs_its_spans_and_nothing_else(
    start: Start, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.otlp.server._GRACE", 0.1)
    url = backend.url
    backend.end()
    size = request(call(1)).ByteSize()
    here = start(url, queue_bytes=3 * size)
    for n in range(1, 11):
        send(here, call(n))
    assert here.count(DROPPED, target="backend", reason="full") == 7
    assert here.count("burnline_otlp_forward_queue_bytes", target="backend") == 3 * size
    assert len(generations.recent(here.database, 0.0)) == 10


def test_spans_that_nobody_takes_in_time_are_dropped(start: Start, backend: Backend) -> None:
    backend.statuses = [503]
    here = start(backend.url, give_up=0)
    send(here, call(1))
    until(lambda: here.count(DROPPED, target="backend", reason="expired") == 1)
    send(here, call(2))
    until(lambda: backend.ids() == [2])


def test_what_is_not_committed_is_not_forwarded_and_gives_its_room_back(
    start: Start, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageBusy("locked")

    here = start(backend.url)
    with monkeypatch.context() as patch:
        patch.setattr("storage.generations.add", fail)
        assert here.post(request(call(1)).SerializeToString()).status_code == 503
    assert here.count("burnline_otlp_forward_queue_bytes", target="backend") == 0
    send(here, call(1))
    until(lambda: len(backend.ids()) == 1)


def test_what_waits_is_sent_when_the_receiver_ends(start: Start, backend: Backend) -> None:
    backend.statuses = [503] * 3
    here = start(backend.url)
    for n in range(1, 21):
        send(here, call(n))
    here.end()
    assert sorted(backend.ids()) == list(range(1, 21))


def test_what_waits_when_time_is_over_is_counted(
    start: Start, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.otlp.server._GRACE", 0.1)
    url = backend.url
    backend.end()
    here = start(url)
    send(here, call(1), span(2))
    send(here, call(3))
    here.end()
    assert here.count(DROPPED, target="backend", reason="ended") == 3


def test_headers_come_from_files_and_are_in_no_log(
    start: Start, backend: Backend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "key"
    backend.statuses = [503]
    here = start(backend.url, header_files={"X-Api-Key": file})
    send(here, call(1))  # the file is not there yet
    until(lambda: here.count("burnline_otlp_forward_failures_total", target="backend") > 0)
    file.write_text(SECRET + "\n")
    until(lambda: backend.ids() == [1])
    assert backend.got[0].headers["X-Api-Key"] == SECRET
    assert "spans are not forwarded to backend now" in caplog.text
    assert SECRET not in caplog.text
    assert backend.url not in caplog.text


def test_a_second_receiver_counts_what_the_first_forwards(start: Start) -> None:
    second = start("", folder="second")
    first = start(second.url, folder="first")
    for n in range(1, 51):
        send(first, call(n), span(100 + n))
    until(lambda: first.count(FORWARDED, target="backend") == 100)
    ids = [{one.span_id for one in generations.recent(here.database, 0.0)} for here in (first, second)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 50


def test_a_tls_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    target = ForwardTarget(name="t", url="https://traces.example.com/v1/traces", tls={"ca_file": tmp_path / "none.pem"})
    with pytest.raises(ConfigError, match="forward t"):
        Forwarder(target, SystemClock(), OtlpMetrics(CollectorRegistry()))


@pytest.mark.parametrize(
    ("targets", "why"),
    [
        ([{"url": "http://localhost:4318/v1/traces"}], "the receiver itself"),
        ([{"url": "http://127.0.0.1:4318/"}], "the receiver itself"),
        ([{"url": "ftp://a/b"}], "pattern"),
        ([{"url": "http://a/v1"}, {"url": "http://b/v1"}], "one name"),
        ([{"url": "https://a/v1", "tls": {"insecure_skip_verify": True}}], "ca_file"),
    ],
)
def test_targets_that_cannot_be_right_are_refused(targets: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        OtlpSettings(forward=[{"name": "one", **target} for target in targets])  # type: ignore[arg-type]


def test_the_url_is_in_no_printed_settings() -> None:
    assert "secret" not in repr(ForwardTarget(name="one", url="https://a/v1?token=secret"))


def test_parcels_joined_are_one_request() -> None:
    bodies = [parcels(request(call(n)), {"all"}, preparer(strata=ALL).keeps)["all"].body for n in (1, 2)]
    found = ExportTraceServiceRequest.FromString(b"".join(bodies))
    assert [one.scope_spans[0].spans[0].span_id[-1] for one in found.resource_spans] == [1, 2]
