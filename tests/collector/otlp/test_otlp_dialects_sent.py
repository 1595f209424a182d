"""Every recorded span of every dialect, sent by the official SDK and its exporter to a running receiver."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from core.clock import SystemClock
from storage import generations
from tests.collector.otlp.test_otlp_dialects import CASES, PRICES, known
from tests.collector.otlp.test_otlp_server import Running
from tests.collector.otlp.told import totals

KINDS = {1: SpanKind.INTERNAL, 2: SpanKind.SERVER, 3: SpanKind.CLIENT}


def send(url: str, cases: list[dict[str, Any]], now: float) -> None:
    """Each case as a trace of its own, ended just now."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, compression=Compression.Gzip)))
    tracer = provider.get_tracer("tests")
    for case in cases:
        started = now - 5
        one = tracer.start_span(case["name"], kind=KINDS[case["kind"]], start_time=round(started * 1e9))
        one.set_attributes(case["attributes"])
        for event in case.get("events", ()):
            at = round((started + event.get("after", 0.0)) * 1e9)
            one.add_event(event["name"], event.get("attributes", {}), timestamp=at)
        if case.get("failed"):
            one.set_status(StatusCode.ERROR)
        one.end(end_time=round((started + case.get("duration", 1.0)) * 1e9))
    provider.shutdown()


def test_what_the_sdk_sends_becomes_what_the_cases_say(tmp_path: Path) -> None:
    cases = [case.values[0] for case in CASES]
    clock = SystemClock()
    here = Running(tmp_path, clock, prices=PRICES, max_body=10**6)
    try:
        send(here.url, cases, clock.now())
        found = generations.recent(here.database, 0.0)
        expected = [case["generation"] for case in cases if case["generation"]]
        assert sum(n for name, n in totals(here.database).items() if name.startswith("generations ")) == len(expected)
        assert sorted(map(told, map(known, found))) == sorted(map(told, expected))
        by_dialect = Counter(one["dialect"] for one in expected)
        for name, n in by_dialect.items():
            assert here.count("burnline_otlp_dialects_total", dialect=name) == n
    finally:
        here.end()


def told(one: dict[str, Any]) -> str:
    """Comparable: times are those of a real clock to the microsecond."""
    return repr(sorted((name, round(v, 3) if isinstance(v, float) else v) for name, v in one.items()))
