"""OpenTelemetry's own SDK and exporter push metrics: the ledger's totals are what the application recorded."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as otlp
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry

from collector.metrics import OtlpMetrics
from collector.otlp.server import OtlpReceiver
from collector.push.otlp.route import metrics_route
from collector.settings import CollectorSettings
from core.clock import SystemClock
from storage import fleet, plan
from storage.plan import SelectorMeasure
from tests.collector.promql.world import database, rows_of, target_time, total
from tests.e2e.running import free_ports, until

pytestmark = pytest.mark.timeout(120)

DELTA = dict.fromkeys((Counter, Histogram, ObservableCounter), AggregationTemporality.DELTA)
TTFT, DURATION = "gen_ai.server.time_to_first_token", "gen_ai.server.request.duration"
CALLS = SelectorMeasure(selector="calls_total", by=("kind",))


class Receiver:
    """The OTLP receiver in a thread of its own, on the wall clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ledger = folder, database(folder, "metrics")
        self.port, self.grpc = free_ports(2)
        with self.ledger.write() as connection:
            plan.put(connection, [CALLS], 0.0)
        self.start()

    def start(self) -> None:
        self._loop, self._stop, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

        async def run() -> None:
            settings = CollectorSettings.model_validate({"flush_interval": 0.1, "otlp": self.settings()})
            registry, clock = CollectorRegistry(), SystemClock()
            points = metrics_route(self.ledger, self.folder, settings, clock, registry)
            receiver = OtlpReceiver(
                self.ledger, settings, self.folder / "text.key", clock, OtlpMetrics(registry), points
            )
            running = asyncio.create_task(receiver.run(self._stop))
            await receiver.port()
            started.set()
            await running

        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(run(),))
        self._thread.start()
        assert started.wait(20)

    def settings(self) -> dict[str, Any]:
        grpc = {"enabled": True, "port": self.grpc}
        return {"port": self.port, "metrics": {"enabled": True}, "max_body": 200_000, "grpc": grpc}

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/metrics"

    def counted(self, measure: str, attrs: str = "") -> int:
        return total(rows_of(self.ledger), measure, attrs)

    def post(self, data: bytes, **headers: str) -> httpx.Response:
        return httpx.post(self.url, content=data, headers={"Content-Type": PROTOBUF, **headers}, trust_env=False)


PROTOBUF = "application/x-protobuf"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    found = Receiver(tmp_path)
    yield found
    found.stop()
    found.ledger.dispose()


class App:
    """An application with the SDK; `push` exports what it has recorded."""

    def __init__(
        self, receiver: Receiver, instance: str, *, alone: bool = True, over_grpc: bool = False, **exporter: Any
    ) -> None:
        resource = Resource.create({"service.name": "llm", "service.instance.id": instance, "cloud.region": "eu"})
        sender: Any = OTLPMetricExporter(endpoint=receiver.url, timeout=20, **exporter)
        if over_grpc:
            sender = GrpcExporter(endpoint=f"http://127.0.0.1:{receiver.grpc}", insecure=True, timeout=20, **exporter)
        self.reader = PeriodicExportingMetricReader(sender, export_interval_millis=3_600_000)
        views = [View(instrument_name="odd", aggregation=ExponentialBucketHistogramAggregation())]
        self.by_hand = InMemoryMetricReader(preferred_temporality=exporter.get("preferred_temporality"))
        self.provider = MeterProvider(
            [self.reader if alone else self.by_hand], resource, views=views, shutdown_on_exit=False
        )
        meter = self.provider.get_meter("test")
        bounds = [0.001, 0.01, 0.1, 1.0, 10.0]
        self.ttft = meter.create_histogram(TTFT, "s", explicit_bucket_boundaries_advisory=bounds)
        self.duration = meter.create_histogram(DURATION, "s", explicit_bucket_boundaries_advisory=bounds)
        self.calls = meter.create_counter("calls")
        self.odd = meter.create_histogram("odd")

    def serve(self, good: int, bad: int = 0) -> None:
        for n in range(good):
            self.ttft.record(0.05, {"gen_ai.request.model": "m"})
            self.duration.record(0.5 + n, {"gen_ai.request.model": "m"})
        for _ in range(bad):
            self.duration.record(0.1, {"gen_ai.request.model": "m", "error.type": "timeout"})
        self.calls.add(good + bad, {"kind": "chat"})

    def push(self) -> None:
        assert self.provider.force_flush()

    def message(self) -> bytes:
        """What it would push now; for one that does not push by itself."""
        data = self.by_hand.get_metrics_data()
        assert data is not None
        return encode_metrics(data).SerializeToString()

    def end(self) -> None:
        self.provider.shutdown()


@pytest.mark.parametrize("exporter", [{}, {"compression": Compression.Gzip}], ids=["plain", "gzip"])
def test_cumulative_metrics_count_from_the_second_page_on(receiver: Receiver, exporter: dict[str, Any]) -> None:
    app = App(receiver, "a", **exporter)
    app.serve(5)
    app.push()
    until(20, "the target is known", lambda: fleet.targets(receiver.ledger))
    (target,) = fleet.targets(receiver.ledger)
    assert (target.job, target.labels["instance"], target.engine, target.layer) == ("llm", "a", "otel-genai", "engine")
    assert (target.labels["region"], receiver.counted("requests")) == ("eu", 0)
    app.serve(10, bad=3)
    app.push()
    until(20, "they are counted", lambda: receiver.counted("requests") == 13)
    receiver.stop()
    receiver.start()
    app.serve(4)
    app.push()
    until(20, "it goes on", lambda: receiver.counted("requests") == 17)
    again = App(receiver, "a")  # another process of the same name: it begins anew
    again.serve(2, bad=1)
    again.push()
    until(20, "a restart is counted", lambda: receiver.counted("requests") == 20)
    rows = rows_of(receiver.ledger)
    assert total(rows, "requests", 'outcome="good"', 'model="m"') == 16
    assert total(rows, "requests", 'outcome="bad"', 'region="eu"') == 4
    assert (total(rows, "ttft"), total(rows, "e2e"), total(rows, CALLS.name)) == (16, 20, 20)
    again.end()  # the one before would push what a process that is no more had counted


def test_a_new_process_of_a_known_job_counts_from_its_start(receiver: Receiver) -> None:
    first = App(receiver, "a")
    first.serve(1)
    first.push()
    until(20, "the job is known", lambda: fleet.targets(receiver.ledger))
    born = App(receiver, "b")
    born.serve(7)
    born.push()
    until(20, "it is counted from its start", lambda: receiver.counted("requests") == 7)
    for one in (first, born):
        one.end()


@pytest.mark.parametrize("over_grpc", [False, True], ids=["http", "grpc"])
def test_deltas_count_as_they_are(receiver: Receiver, *, over_grpc: bool) -> None:
    app = App(receiver, "a", over_grpc=over_grpc, preferred_temporality=DELTA)
    for n, bad in ((5, 0), (10, 2), (0, 0), (1, 0)):
        app.serve(n, bad)
        app.push()
    until(20, "they are counted", lambda: receiver.counted("requests") == 18)
    receiver.stop()
    receiver.start()
    app2 = App(receiver, "a", preferred_temporality=DELTA)
    app2.serve(3)
    app2.push()
    until(20, "the next process' are added", lambda: receiver.counted("requests") == 21)
    rows = rows_of(receiver.ledger)
    assert (total(rows, "ttft"), total(rows, "e2e"), total(rows, CALLS.name)) == (19, 21, 21)
    assert 0 < target_time(receiver.ledger, "covered") <= target_time(receiver.ledger, "expected")
    for one in (app, app2):
        one.end()


def test_a_request_that_is_sent_again_counts_nothing_twice(receiver: Receiver) -> None:
    sent: list[bytes] = []
    for temporality, instance in ((DELTA, "d"), ({}, "c")):
        app = App(receiver, instance, alone=False, preferred_temporality=temporality)
        for _ in range(2):
            app.serve(5)
            _through(app, sent, receiver.post)
        app.end()
    until(20, "they are counted", lambda: receiver.counted("requests") == 20)
    for data in sent * 2:
        assert receiver.post(data).status_code == 200
    answer = otlp.ExportMetricsServiceResponse.FromString(receiver.post(sent[0]).content)
    assert answer.partial_success.rejected_data_points == 0 and "sent twice" in answer.partial_success.error_message
    other = App(receiver, "e", preferred_temporality=DELTA)
    other.serve(1)
    other.push()
    until(20, "what came after it is counted", lambda: receiver.counted("requests") == 21)
    other.end()


def _through(app: App, sent: list[bytes], send: Callable[[bytes], httpx.Response]) -> None:
    """Export by hand, so that the very bytes can be sent again."""
    sent.append(app.message())
    assert send(sent[-1]).status_code == 200


def test_what_cannot_be_counted_is_refused_and_the_rest_is_taken(receiver: Receiver) -> None:
    app, sent = App(receiver, "a", alone=False), list[bytes]()
    app.serve(1)
    app.odd.record(3.0)
    _through(app, sent, receiver.post)
    answer = otlp.ExportMetricsServiceResponse.FromString(receiver.post(sent[0]).content).partial_success
    assert answer.rejected_data_points == 1 and "explicit bounds" in answer.error_message
    until(20, "the rest is taken", lambda: fleet.targets(receiver.ledger))
    app.end()


def json_of(**metric: Any) -> dict[str, Any]:
    attributes = [{"key": key, "value": {"stringValue": "x"}} for key in ("service.name", "service.instance.id")]
    return {"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": [metric]}]}]}


POINT = {"timeUnixNano": str(time.time_ns()), "asInt": "3"}
NAMELESS = [{"metrics": [{"name": "a", "gauge": {"dataPoints": [POINT]}}]}]


@pytest.mark.parametrize(
    ("document", "refused", "says"),
    [
        (json_of(name="a", gauge={"dataPoints": [POINT]}), 0, ""),
        (json_of(name="a", sum={"dataPoints": [POINT], "aggregationTemporality": 2, "isMonotonic": True}), 0, ""),
        (json_of(name="a", sum={"dataPoints": [POINT]}), 1, "without aggregation temporality"),
        (json_of(name="a", sum={"dataPoints": [POINT], "aggregationTemporality": 1}), 1, "cumulative"),
        (json_of(name="a", summary={"dataPoints": [{}]}), 1, "summary"),
        (json_of(name="a", gauge={"dataPoints": [{"asInt": 1}]}), 1, "no time"),
        (json_of(name="a", gauge={"dataPoints": [{"asInt": 1, "timeUnixNano": 10**15}]}), 1, "days old"),
        (
            json_of(
                name="a",
                histogram={
                    "aggregationTemporality": 2,
                    "dataPoints": [{**POINT, "bucketCounts": [1], "explicitBounds": [1.0]}],
                },
            ),
            1,
            "do not fit",
        ),
        ({"resourceMetrics": [{"scopeMetrics": NAMELESS}]}, 1, "service.name"),
        ({}, 0, ""),
    ],
)
def test_json(receiver: Receiver, document: dict[str, Any], refused: int, says: str) -> None:
    answer = httpx.post(receiver.url, json=document, trust_env=False)
    told = answer.json().get("partialSuccess", {})
    assert (answer.status_code, int(told.get("rejectedDataPoints", 0))) == (200, refused)
    assert says in told.get("errorMessage", "")


def test_statuses(receiver: Receiver) -> None:
    assert receiver.post(b"").status_code == 200
    assert receiver.post(b"\xff").status_code == 400
    assert receiver.post(b"{", **{"Content-Type": "application/json"}).status_code == 400
    assert receiver.post(b"", **{"Content-Type": "text/plain"}).status_code == 415
    assert receiver.post(b"", **{"Content-Encoding": "br"}).status_code == 415
    assert receiver.post(b"x", **{"Content-Encoding": "gzip"}).status_code == 400
    assert receiver.post(bytes(200_001)).status_code == 413
    assert httpx.get(receiver.url, trust_env=False).status_code == 405
    assert receiver.post(b"", **{"Content-Type": "application/json"}).status_code == 400
