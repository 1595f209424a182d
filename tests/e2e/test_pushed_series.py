"""A real Prometheus pushes what it scrapes: the ledger's totals are what the targets did, whatever is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import fleet
from storage.database import Database, sqlite_url
from tests.collector.promql.world import rows_of, target_time, total
from tests.e2e.prometheus_servers import Prometheus
from tests.e2e.running import Process, burnline, ends_of, environment, free_ports, until
from tests.e2e.test_prometheus_source import Served

pytestmark = [pytest.mark.timeout(240), pytest.mark.server("prometheus")]

CONFIG = """\
storage: {{directory: {folder}/var}}
metrics_ports: {{collector: {metrics}, engine: 0, alerter: 0, evaluator: 0}}
collector:
  otlp: {{enabled: false}}
  flush_interval: 1s
  remote_write_receiver: {{enabled: true, port: {port}, settle: 3s}}
"""
QUEUE = {"min_shards": 4, "max_shards": 8, "max_samples_per_send": 3, "capacity": 50, "batch_send_deadline": "200ms"}
"""A scrape of three targets is over a dozen requests on four connections."""


class Pushed:
    """A Prometheus that scrapes `fleet` every second, and the collector that it pushes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fleet = [Served() for _ in range(3)]
        self.port, self.metrics, port = free_ports(3)
        self.config = folder / "burnline.yaml"
        self.config.write_text(CONFIG.format(folder=folder, port=self.port, metrics=self.metrics))
        self.log, self.env = folder / "collector.log", environment()
        assert burnline("db", "upgrade", "--config", self.config, env=self.env).returncode == 0
        self.ledger = Database(sqlite_url(folder / "var" / "burnline.db"))
        self.prometheus = Prometheus(folder / "prometheus")
        self.prometheus.port, self.prometheus.url = port, f"http://127.0.0.1:{port}"
        self.prometheus.push(f"http://127.0.0.1:{self.port}/api/v1/write", **QUEUE)
        self.watch(self.fleet)
        self.prometheus.start()
        self.start()

    def start(self) -> None:
        self.collector = Process(self.log, ("collector", "--config", self.config), self.env)

    def watch(self, fleet: list[Served]) -> None:
        self.prometheus.watch([{"targets": [one.address for one in fleet], "labels": {"version": "v1"}}])

    def serve(self, good: int) -> None:
        for one in self.fleet:
            one.engine.serve(good, slow=1)

    def seen(self) -> None:
        for one in self.fleet:
            one.seen()

    def counted(self, requests: int) -> None:
        until(
            40, f"{requests} requests are counted, not {self.requests()}", lambda: self.requests() >= requests, self.log
        )
        assert self.requests() == total(rows_of(self.ledger), "e2e") == requests

    def requests(self) -> int:
        return total(rows_of(self.ledger), "requests")

    def targets(self) -> list[fleet.TargetHealth]:
        return [one for one in fleet.targets(self.ledger) if one.job == "vllm"]

    def end(self) -> None:
        self.prometheus.kill()  # a polite end waits until everything is sent
        self.collector.end()
        self.ledger.dispose()
        for one in self.fleet:
            one.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Pushed]:
    found = Pushed(tmp_path)
    yield found
    found.end()


def test_totals_are_the_truth_through_kills_an_outage_restarts_and_resharding(world: Pushed) -> None:
    until(30, "all targets are known", lambda: len(world.targets()) == 3, world.log)
    began = time.time()
    world.serve(100)
    world.seen()
    world.counted(300)
    for _ in range(3):  # in the middle of whatever it does
        world.serve(10)
        time.sleep(1.3)
        world.collector.kill()
        world.start()
    world.seen()
    world.counted(390)
    world.collector.kill()
    for _ in range(5):
        world.serve(7)
        time.sleep(2)
    world.seen()
    for one in world.fleet:  # begins anew while nobody receives
        one.engine.restart(time.time())
    world.serve(5)
    world.seen()
    world.start()
    world.counted(390 + 3 * 40)
    world.prometheus.kill()
    world.serve(11)
    world.prometheus.push(f"http://127.0.0.1:{world.port}/api/v1/write", **{**QUEUE, "min_shards": 7})
    world.prometheus.start()
    world.seen()
    world.counted(510 + 33)
    world.prometheus.push(f"http://127.0.0.1:{world.port}/api/v1/write", **{**QUEUE, "min_shards": 1, "max_shards": 2})
    world.serve(13)
    world.seen()
    world.counted(543 + 39)
    expected, covered = target_time(world.ledger, "expected"), target_time(world.ledger, "covered")
    assert 0 < covered <= expected <= 3 * (time.time() - began + 30) * 1000
    assert covered > 0.9 * expected
    assert world.collector.stop() == 0, ends_of([world.log])
    with world.ledger.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM pushed").scalar_one() < 50


def test_series_that_are_left_out_and_targets_that_go_are_told_apart(world: Pushed) -> None:
    """`write_relabel_configs` make every page shorter than what the scrape had; a target that is removed has left."""
    until(30, "all targets are known", lambda: len(world.targets()) == 3, world.log)
    dropped = {"source_labels": ["__name__"], "regex": "scrape_duration_seconds|.*_latency_.*", "action": "drop"}
    world.prometheus.push(f"http://127.0.0.1:{world.port}/api/v1/write", leave_out=[dropped], **QUEUE)
    time.sleep(8)  # a page that lacks something, and one that has nothing new
    world.serve(10)
    world.seen()
    until(40, "30 requests are counted", lambda: world.requests() == 30, world.log)
    gone = world.fleet.pop()
    world.watch(world.fleet)
    until(40, "it has left", lambda: len(world.targets()) == 2, world.log)
    world.serve(5)
    world.seen()
    until(40, "40 requests are counted", lambda: world.requests() == 40, world.log)
    gone.close()
