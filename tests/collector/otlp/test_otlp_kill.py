"""A collector that is killed while clients send: what it confirmed is there, and nothing is there twice."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from storage import generations, samples
from storage.database import Database, sqlite_url
from tests.collector.otlp.told import CHAT, call, request, totals
from tests.e2e.running import Process, burnline, environment, free_ports, one_at_a_time, until

BATCHES = 150
CLIENTS = 3
PER_BATCH = 5


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A collector's configuration; its port is free while the test runs."""
    with one_at_a_time():
        port, grpc = free_ports(2)
        file = tmp_path / "burnline.yaml"
        file.write_text(
            f"storage: {{directory: {tmp_path / 'storage'}}}\n"
            "metrics_ports: {collector: 0, engine: 0, alerter: 0, evaluator: 0}\n"
            f"collector:\n  flush_interval: 200ms\n  otlp:\n    port: {port}\n    grpc: {{port: {grpc}}}\n"
            "    strata: [{name: default, probability: 1.0}]\n"
        )
        assert burnline("db", "upgrade", "--config", file).returncode == 0
        yield file


def send(url: str, content: bytes) -> bool:
    """One attempt, as an exporter makes it."""
    with suppress(httpx.TransportError):
        answer = httpx.post(url, content=content, headers={"Content-Type": "application/x-protobuf"}, timeout=5)
        return answer.status_code == 200
    return False


def batch(number: int) -> bytes:
    told = (call(1 + number * PER_BATCH + n, trace=1 + number, end=time.time() - 1) for n in range(PER_BATCH))
    return request(*told).SerializeToString()


def deliver(url: str, numbers: Iterable[int], confirmed: list[int]) -> None:
    """Send batches one after the other, each until it is confirmed, some of them once more."""
    for number in numbers:
        content = batch(number)
        deadline = time.monotonic() + 90
        while not send(url, content):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        confirmed.append(number)
        if number % 10 == 0:
            send(url, content)  # as after an answer that was lost


@pytest.mark.timeout(240)
def test_a_killed_collector_loses_nothing_that_it_confirmed_and_counts_nothing_twice(config: Path) -> None:
    url = f"http://127.0.0.1:{config.read_text().split('port: ')[1].split()[0]}/v1/traces"
    log, confirmed = config.parent / "collector.log", list[int]()

    def collector() -> Process:
        return Process(log, ("collector", "--config", config), environment())

    running = collector()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(deliver, url, range(n, BATCHES, CLIENTS), confirmed) for n in range(CLIENTS)]
            for share in (1, 2):
                until(60, "calls are confirmed", lambda share=share: len(confirmed) > share * BATCHES // 3, log)
                running.kill()
                running = collector()
            for client in clients:
                client.result()
    finally:
        running.end()
    assert sorted(confirmed) == list(range(BATCHES))
    database = Database(sqlite_url(config.parent / "storage" / "burnline.db"))
    found = totals(database)
    assert found["generations outcome=good stratum=default"] == found["drawn stratum=default"] == BATCHES * PER_BATCH
    assert len(generations.recent(database, 0.0, limit=10_000)) == samples.waiting(database) == BATCHES * PER_BATCH
    assert 0 < found["target_time state=covered"] < found["target_time state=expected"]
    database.dispose()


class Patient(OTLPSpanExporter):
    """The exporter tries six times, which a start on a busy machine may outlast: begins again where it gave up."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        deadline = time.monotonic() + 90
        while (result := super().export(spans)) is not SpanExportResult.SUCCESS:
            assert time.monotonic() < deadline
        return result


def export(endpoint: str, calls: int, told: set[tuple[str, str]]) -> None:
    """An application with OpenTelemetry's exporter over gRPC, which sends again by itself; `told` is what it made."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = Patient(endpoint, timeout=90)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=PER_BATCH, schedule_delay_millis=50))
    tracer = provider.get_tracer("tests")
    for _ in range(calls):
        with tracer.start_as_current_span("chat m", attributes=CHAT) as span:
            context = span.get_span_context()
        told.add((f"{context.trace_id:032x}", f"{context.span_id:016x}"))
        time.sleep(0.02)
    assert provider.force_flush(150_000)
    provider.shutdown()


@pytest.mark.timeout(240)
def test_an_exporter_over_grpc_that_sends_again_loses_nothing_to_kills_and_nothing_counts_twice(config: Path) -> None:
    endpoint = f"http://127.0.0.1:{config.read_text().split('grpc: {port: ')[1].split('}')[0]}"
    database = Database(sqlite_url(config.parent / "storage" / "burnline.db"))
    log, told, calls = config.parent / "collector.log", set[tuple[str, str]](), 300

    def collector() -> Process:
        return Process(log, ("collector", "--config", config), environment())

    def confirmed() -> int:
        return len(generations.recent(database, 0.0, limit=10_000))

    running = collector()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(export, endpoint, calls, told) for _ in range(CLIENTS)]
            for share in (1, 2):
                until(60, "calls are confirmed", lambda share=share: confirmed() > share * calls * CLIENTS // 4, log)
                running.kill()
                running = collector()
            for client in clients:
                client.result()
    finally:
        running.end()
    found = generations.recent(database, 0.0, limit=10_000)
    assert {(one.trace_id, one.span_id) for one in found} == told
    assert len(found) == len(told) == calls * CLIENTS
    counted = totals(database)
    assert counted["generations outcome=good stratum=default"] == counted["drawn stratum=default"] == calls * CLIENTS
    database.dispose()
