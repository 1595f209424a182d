"""One endpoint with native histograms, scraped by a real Prometheus and by a collector: both say the same."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.histogram import Bounds, at_or_below
from tests.collector.exposition.protobuf.made import COUNTER, GAUGE, HISTOGRAM, MEDIA, family, native, page
from tests.e2e.engines.collecting import Collector, until
from tests.e2e.prometheus_servers import Prometheus

TTFT = "vllm:time_to_first_token_seconds"
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)


@dataclass
class Target:
    """A server whose page changes while it is scraped."""

    values: list[float] = field(default_factory=list)
    schema: int = 5
    began: float = field(default_factory=time.time)
    asked: set[str] = field(default_factory=set)

    def body(self) -> bytes:
        """The page as it is now."""
        return page(
            family(TTFT, HISTOGRAM, ({"model_name": "m"}, native(self.values, self.schema))),
            family("vllm:request_success_total", COUNTER, ({"finished_reason": "stop"}, {"value": len(self.values)})),
            family("process_start_time_seconds", GAUGE, ({}, {"value": self.began})),
        )

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target.asked.add(self.headers["Accept"].split(";")[0])
                body = target.body()
                self.send_response(200)
                self.send_header("Content-Type", MEDIA)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


class Both:
    """Prometheus's answers beside the ledger's."""

    def __init__(self, prometheus: Prometheus, collector: Collector) -> None:
        self._prometheus = prometheus
        self._collector = collector

    def asked(self, expression: str) -> float:
        """A number, nan where there is none."""
        found = self._prometheus.query(expression)
        return float(found[0]["value"][1]) if found else float("nan")

    def cells(self) -> dict[Bounds, list[int]]:
        """What the ledger has of the times to the first token, by bounds."""
        found: dict[Bounds, list[int]] = {}
        for line in self._collector.answer("ttft").lines:
            assert line.bounds is not None
            before = found.get(line.bounds, [0] * len(line.cells))
            found[line.bounds] = [a + b for a, b in zip(before, line.cells, strict=True)]
        return found

    def total(self) -> int:
        return sum(map(sum, self.cells().values()))

    def below(self, threshold: float) -> int:
        return sum(at_or_below(bounds, cells, threshold).certain for bounds, cells in self.cells().items())


def observe(target: Target, rng: random.Random, many: int) -> None:
    for _ in range(many):
        target.values = [*target.values, rng.lognormvariate(-1, 1)]
        time.sleep(0.01)


@pytest.mark.server("prometheus")
def test_counts_totals_and_quantiles_are_those_of_prometheus(tmp_path: Path) -> None:
    target, rng = Target(), random.Random(5)
    with target.serving() as address, Prometheus(tmp_path / "prometheus") as prometheus:
        prometheus.flags.append("--enable-feature=native-histograms")
        prometheus.watch([{"targets": [address]}])
        prometheus.start()
        collector = Collector(tmp_path, {"vllm": address}, protobuf=True)
        with collector.running():
            both = Both(prometheus, collector)
            collector.scraped_after(time.time())
            observe(target, rng, 200)
            collector.scraped_after(time.time())
            (bounds,), fine = both.cells(), target.values
            assert both.total() == len(fine) == 200
            until("Prometheus has it", lambda: both.asked(f"histogram_count({TTFT})") == 200)
            for threshold in (0.125, 0.25, 0.5, 1.0, 2.0):
                share = both.asked(f"histogram_fraction(-Inf, {threshold}, {TTFT})")
                assert both.below(threshold) == sum(one <= threshold for one in fine) == round(share * 200)
            for quantile in QUANTILES:
                told = both.asked(f"histogram_quantile({quantile}, {TTFT})")
                low, high = cell_with(both.cells()[bounds], bounds, quantile)
                assert low * (1 - 1e-9) <= told <= high * (1 + 1e-9)
            target.schema = 0
            observe(target, rng, 100)
            collector.scraped_after(time.time())
            until("Prometheus has it", lambda: both.asked(f"histogram_count({TTFT})") == 300)
            assert both.total() == 300
            for threshold in (0.125, 0.25, 0.5, 1.0, 2.0):
                share = both.asked(f"histogram_fraction(-Inf, {threshold}, {TTFT})")
                assert both.below(threshold) == sum(one <= threshold for one in target.values) == round(share * 300)
    assert target.asked == {"application/vnd.google.protobuf"}


def cell_with(cells: list[int], bounds: Bounds, quantile: float) -> tuple[float, float]:
    """The edges of the cell that holds the observation of a rank."""
    rank, seen = quantile * sum(cells), 0
    for cell, count in enumerate(cells):
        seen += count
        if count and seen >= rank:
            return (bounds[cell - 1] if cell else 0.0), bounds[cell] if cell < len(bounds) else float("inf")
    raise AssertionError("no observation")
