"""Names and points of OpenTelemetry as Prometheus has them, and deltas through crashes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from collector.metrics import CollectorMetrics, PushMetrics
from collector.otlp.answer import JSON, PROTOBUF
from collector.otlp.decode import decode_into
from collector.push.otlp.names import label_name, metric_name
from collector.push.otlp.points import Point, read
from collector.push.otlp.reader import OtlpReader, keep, way_of
from collector.push.source import PushSource, RawSeries
from collector.settings import CollectorSettings
from core.clock import ManualClock
from core.errors import ParseError
from storage import plan
from storage.plan import SelectorMeasure
from storage.series import SeriesLimits, SeriesReader, SeriesWriter
from tests.collector.promql.world import START, database, rows_of, total

CUMULATIVE, DELTA = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE, otlp.AGGREGATION_TEMPORALITY_DELTA


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("gen_ai.server.time_to_first_token", "s", "", "gen_ai_server_time_to_first_token_seconds"),
        ("gen_ai.client.token.usage", "{token}", "", "gen_ai_client_token_usage"),
        ("http.server.requests", "{request}", "counter", "http_server_requests_total"),
        ("requests_total", "1", "counter", "requests_total"),
        ("process.cpu.time", "s", "counter", "process_cpu_time_seconds_total"),
        ("system.memory.utilization", "1", "gauge", "system_memory_utilization_ratio"),
        ("disk.io", "By/s", "gauge", "disk_io_bytes_per_second"),
        ("queue", "{items}/min", "gauge", "queue_per_minute"),
        ("wait.seconds", "s", "", "wait_seconds"),
        ("2xx..answers", "", "counter", "_2xx_answers_total"),
    ],
)
def test_names(name: str, unit: str, kind: str, expected: str) -> None:
    assert metric_name(name, unit, counter=kind == "counter", gauge=kind == "gauge") == expected


def test_labels() -> None:
    assert (label_name("gen_ai.request.model"), label_name("1st")) == ("gen_ai_request_model", "key_1st")


def test_a_histogram_becomes_cumulative_buckets() -> None:
    metric = otlp.Metric(name="a", unit="s")
    metric.histogram.aggregation_temporality = CUMULATIVE
    metric.histogram.data_points.add(
        time_unix_nano=5,
        start_time_unix_nano=10**9,
        count=6,
        sum=4.5,
        bucket_counts=[1, 2, 3],
        explicit_bounds=[0.5, 1],
    )
    (found,) = read(metric)
    assert isinstance(found, Point)
    assert found.values == [
        ("a_seconds_bucket", "0.5", 1.0),
        ("a_seconds_bucket", "1.0", 3.0),
        ("a_seconds_bucket", "+Inf", 6.0),
        ("a_seconds_count", "", 6.0),
        ("a_seconds_sum", "", 4.5),
        ("a_seconds_created", "", 1.0),
    ]


@pytest.mark.parametrize("bounds", [[2.0, 1.0], [1.0, 1.0], [float("nan"), 1.0], [1.0, float("inf")]])
def test_bounds_that_do_not_rise_are_refused(bounds: list[float]) -> None:
    metric = otlp.Metric(name="a")
    metric.histogram.aggregation_temporality = DELTA
    metric.histogram.data_points.add(bucket_counts=[1, 2, 3], explicit_bounds=bounds)
    (found,) = read(metric)
    assert isinstance(found, str)


@given(st.binary(max_size=300), st.sampled_from([PROTOBUF, JSON]))
def test_garbage_is_refused_or_read_and_nothing_else(data: bytes, media: str) -> None:
    reader = OtlpReader(CollectorSettings(), ManualClock(START))
    with suppress(ParseError):
        request = service.ExportMetricsServiceRequest()
        decode_into(request, data, media)
        reader.read(keep(request))
    with suppress(ParseError):
        reader.read(data)


class World:
    """One application that pushes a counter, and the collector; `start` is a new process over the same database."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.starts = folder, ManualClock(START + 1.0), 0
        self.ledger = database(folder, "metrics")
        self.calls = SelectorMeasure(selector="calls_total")
        with self.ledger.write() as connection:
            plan.put(connection, [self.calls], START)
        self.start()

    def start(self) -> None:
        self.starts += 1
        settings, series = CollectorSettings(), self.folder / "series"
        raw = RawSeries(SeriesWriter(series, f"p{self.starts}", self.clock, SeriesLimits()), SeriesReader(series))
        metrics, reader = PushMetrics(CollectorMetrics().registry), OtlpReader(settings, self.clock)
        self.source = PushSource(self.ledger, settings, way_of(settings), reader, self.clock, metrics, raw)
        self.source.open()

    def push(self, body: bytes) -> str:
        pushed = self.source.read(body)
        self.source.keep([pushed])
        return pushed.problem

    def counted(self) -> int:
        return total(rows_of(self.ledger), self.calls.name)


def request(n: float, time: float, start: float, temporality: int = DELTA, instance: str = "a") -> bytes:
    found = service.ExportMetricsServiceRequest()
    resource = found.resource_metrics.add()
    for key, value in (("service.name", "app"), ("service.instance.id", instance)):
        resource.resource.attributes.add(key=key).value.string_value = value
    metric = resource.scope_metrics.add().metrics.add(name="calls")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, temporality  # type: ignore[assignment]  # an enum
    metric.sum.data_points.add(as_double=n, time_unix_nano=round(time * 1e9), start_time_unix_nano=round(start * 1e9))
    return keep(found)


@pytest.mark.parametrize("seed", range(4))
def test_deltas_count_once_through_crashes_and_retries(tmp_path: Path, seed: int) -> None:
    world, random, sent = World(tmp_path), Random(seed), 0
    for tick in range(40):
        time = START + 10.0 * tick
        world.clock.set(time + 1)
        n = random.randint(0, 9)
        sent += n
        body = request(n, time, time - 10)
        for _ in range(random.choice((1, 1, 2))):
            world.push(body)
            if random.random() < 0.2:
                world.start()
        if random.random() < 0.5:
            world.clock.advance(4)
            world.source.flush()
            if random.random() < 0.3:
                assert world.push(body)  # it says so
        if random.random() < 0.2:
            world.start()
    world.clock.advance(4)
    world.source.flush()
    assert world.counted() == sent


def test_both_temporalities_of_one_resource_are_not_mixed(tmp_path: Path) -> None:
    world, both = World(tmp_path), service.ExportMetricsServiceRequest()
    for temporality in (DELTA, CUMULATIVE):
        one = service.ExportMetricsServiceRequest()
        decode_into(one, _plain(request(5, START, START - 10, temporality)), PROTOBUF)
        if not both.resource_metrics:
            both.CopyFrom(one)
        else:
            both.resource_metrics[0].scope_metrics.extend(one.resource_metrics[0].scope_metrics)
    found = world.source.read(keep(both))
    assert found.rejected == 1 and "one temporality" in found.problem


def _plain(kept: bytes) -> bytes:
    import cramjam

    return bytes(cramjam.snappy.decompress_raw(kept))


def test_processes_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    found = World(tmp_path).source.read(request(5, START, START - 10, instance=""))
    assert (found.parts, found.rejected) == ([], 1) and "service.instance.id" in found.problem
