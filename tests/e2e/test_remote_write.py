"""What was scraped is what can be queried in real Prometheus and real VictoriaMetrics, whatever died on the way.

One story, told once: a collector scrapes pages that the test makes and sends them to both engines. Both are killed or
stopped for a while; the collector is killed meanwhile, when it sends what waited, and while all is well; a series goes,
a target dies. Then every sample of the local files must be in each engine, every sample of an engine in the files, and
every value must be the one that the page had.
"""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from core.labels import escape
from core.matchers import parse_selector
from storage.series import SeriesReader
from tests.e2e.receiving import Engine, Prometheus, Samples, VictoriaMetrics
from tests.e2e.running import Process, burnline, environment, free_ports, one_at_a_time, until

pytestmark = [pytest.mark.timeout(300)]

ENGINES: dict[str, type[Engine]] = {"prometheus": Prometheus, "victoria-metrics": VictoriaMetrics}
BOTH = [pytest.param(name, marks=pytest.mark.server(name)) for name in ENGINES]
SERIES = 150
OUTAGE = float(os.environ.get("OUTAGE", "10"))
"""Seconds that the receivers are away; `OUTAGE=120` tells the same story with two minutes of it."""
EPSILON = 1e-12
"""VictoriaMetrics 1.79 keeps 13 digits of a value."""


class Target:
    """A page whose number counts its scrapes; each value follows from the number."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.with_extra = True
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target.number += 1
                body = target.page(target.number).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def values(self, number: int, extra: bool = True) -> dict[tuple[str, str], float]:
        """By name and the label `n`."""
        found = {("work_total", str(n)): float(number * (n + 1)) for n in range(SERIES)}
        found |= {("level", str(n)): (number * 7919 + n) % 1000 / 1000 - 0.5 for n in range(20)}
        found |= {("odd", 'q"\\ü€'): math.inf, ("odd", "minus"): -math.inf, ("odd", "none"): math.nan}
        if number % 4 != 3:
            found["comes_and_goes", "0"] = float(number)
        if extra:
            found["extra", "0"] = float(number)
        return {**found, ("page_number", "0"): float(number)}

    def page(self, number: int) -> str:
        lines = [
            f'{name}{{n="{escape(n)}"}} {value!r}' for (name, n), value in self.values(number, self.with_extra).items()
        ]
        return "\n".join(lines) + "\n"

    def end(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Story:
    """What there is to ask after all has ended."""

    directory: Path
    targets: list[Target]
    engines: dict[str, Engine]
    start: float
    end: float = 0.0
    seen: dict[str, Any] = field(default_factory=dict)

    def local(self) -> Samples:
        """What the files hold, without stale markers."""
        found = SeriesReader(self.directory / "series").select(parse_selector('{__name__=~".+"}'), 0, 1 << 60)
        shown = [one.without_stale() for one in found]
        return {one.labels: dict(zip(one.times.tolist(), one.values.tolist(), strict=True)) for one in shown}


class Collector:
    """`burnline collector`, started and killed as the story wants."""

    def __init__(self, folder: Path, targets: list[Target], engines: list[Engine], port: int) -> None:
        self.folder, self.port = folder, port
        self.config = folder / "burnline.yaml"
        job = {"name": "app", "interval": "500ms", "timeout": "400ms"}
        remotes = [
            {"name": engine.name, "url": engine.url + engine.path, "max_samples_per_send": 100} for engine in engines
        ]
        content = {
            "storage": {"directory": str(folder / "storage")},
            "metrics_ports": {"collector": port, "engine": 0, "alerter": 0, "evaluator": 0},
            "collector": {
                "flush_interval": "300ms",
                "otlp": {"enabled": False},
                "scrape": [
                    {**job, "static": [{"targets": [one.address for one in targets], "labels": {"version": "v1"}}]}
                ],
                "remote_write": remotes,
            },
        }
        self.config.write_text(yaml.safe_dump(content))
        done = burnline("db", "upgrade", "--config", self.config)
        assert done.returncode == 0, done.stderr
        self.process = self._started()

    def _started(self) -> Process:
        return Process(self.folder / "collector.log", ["collector", "--config", self.config], environment())

    def kill_and_start(self) -> None:
        self.process.kill()
        self.process = self._started()

    def metric(self, name: str, remote: str, **labels: str) -> float:
        """A metric of remote write; NaN while there is none."""
        try:
            text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5, trust_env=False).text
        except httpx.TransportError:
            return math.nan
        wanted = {"remote": remote, **labels}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"burnline_remote_write_{name}" and sample.labels.items() >= wanted.items():
                    return sample.value
        return math.nan

    def until(self, what: str, look: Any) -> None:
        until(60, what, look, self.process.log)


def scrapes(targets: list[Target], more: int) -> None:
    """Wait until every target was scraped so many times more."""
    goals = {target.name: target.number + more for target in targets}
    until(30, "scrapes", lambda: all(target.number >= goals[target.name] for target in targets))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("remote-write")
    with ExitStack() as stack:
        targets = [Target(name) for name in ("left", "right", "mortal")]
        for target in targets[:2]:
            stack.callback(target.end)
        with one_at_a_time():
            own, *ports = free_ports(1 + len(ENGINES))
            there = {name: kind for name, kind in ENGINES.items() if shutil.which(name)}
            engines = {name: kind(folder, port) for (name, kind), port in zip(there.items(), ports, strict=False)}
            for engine in engines.values():
                stack.callback(engine.end)
                engine.start()
            told = Story(folder / "storage", targets, engines, time.time())
            collector = Collector(folder, targets, list(engines.values()), own)
        stack.callback(lambda: collector.process.end())
        _tell(told, collector)
        yield told


def _tell(story: Story, collector: Collector) -> None:
    left, right, mortal = story.targets
    engines = list(story.engines.values())
    scrapes(story.targets, 6)

    # Both engines are away for a while; the collector dies meanwhile.
    for engine in engines:
        engine.kill() if isinstance(engine, Prometheus) else engine.stop()  # VictoriaMetrics loses seconds by SIGKILL
    began = time.monotonic()
    scrapes(story.targets, 6)
    for engine in engines:
        collector.until("it waits", lambda name=engine.name: collector.metric("lag_seconds", name) > 1)
    collector.kill_and_start()
    scrapes(story.targets, 4)
    time.sleep(max(0.0, OUTAGE - (time.monotonic() - began)))
    for engine in engines:
        engine.start()
    collector.until(
        "they are sent what waited",
        lambda: any(collector.metric("samples_sent_total", engine.name) > 0 for engine in engines),
    )
    collector.kill_and_start()
    for engine in engines:
        collector.until("all is sent", lambda name=engine.name: collector.metric("lag_seconds", name) < 2)
    scrapes(story.targets, 4)

    # The collector dies while all is well.
    collector.kill_and_start()
    scrapes(story.targets, 4)

    # A series goes, a target dies: both vanish from instant queries at once, not after five minutes.
    right.with_extra = False
    mortal.end()
    scrapes([left, right], 8)
    for engine in engines:
        collector.until("all is sent", lambda name=engine.name: collector.metric("lag_seconds", name) < 2)
        scrapes([left, right], 3)
        now = time.time()
        story.seen[engine.name] = {
            query: {one["metric"].get("instance", "") for one in engine.now(query, now)}
            for query in ('up{job="app"} == 1', 'up{job="app"} == 0', "page_number", "extra")
        }

    # An engine is restarted in order, and the collector stopped: what is on disk is sent before it ends.
    for engine in engines:
        engine.stop()
        engine.start()
    scrapes([left, right], 4)
    assert collector.process.stop() == 0
    story.end = time.time() + 1


def of(story: Story, name: str) -> Samples:
    return story.engines[name].samples(story.start - 60, story.end)


def rounded(samples: Samples) -> dict[Any, dict[int, Any]]:
    """NaN made comparable with itself."""
    return {labels: {t: repr(v) for t, v in values.items()} for labels, values in samples.items() if values}


@pytest.mark.server("prometheus")
def test_prometheus_holds_exactly_what_the_files_hold(story: Story) -> None:
    local = rounded(story.local())
    assert len(local) > 3 * (SERIES + 20)
    assert rounded(of(story, "prometheus")) == local


@pytest.mark.server("victoria-metrics")
def test_victoria_metrics_holds_what_the_files_hold_to_its_precision(story: Story) -> None:
    local = {
        labels: {time: value for time, value in values.items() if not math.isnan(value)}  # it takes no NaN
        for labels, values in story.local().items()
    }
    local = {labels: values for labels, values in local.items() if values}
    found = of(story, "victoria-metrics")
    assert found.keys() == local.keys()
    for labels, values in local.items():
        assert found[labels].keys() == values.keys(), labels
        for at, value in values.items():
            assert found[labels][at] == pytest.approx(value, rel=EPSILON, abs=EPSILON), (labels, at)


@pytest.mark.parametrize("name", BOTH)
def test_every_value_in_an_engine_is_the_one_that_its_page_had(story: Story, name: str) -> None:
    found = of(story, name)
    for target in story.targets:
        own = {labels: values for labels, values in found.items() if ("instance", target.address) in labels}
        numbers = next(values for labels, values in own.items() if ("__name__", "page_number") in labels)
        assert len(set(numbers.values())) == len(numbers)
        checked = 0
        for labels, values in own.items():
            key = (dict(labels)["__name__"], dict(labels).get("n", ""))
            if key not in target.values(0):
                continue
            for at, value in values.items():
                expected = target.values(round(numbers[at]))[key]
                assert value == pytest.approx(expected, rel=EPSILON, abs=EPSILON, nan_ok=True), (key, at)
                checked += 1
        assert checked > 10 * SERIES


@pytest.mark.parametrize("name", BOTH)
def test_nothing_between_is_missing_but_what_a_killed_collector_had_not_written(story: Story, name: str) -> None:
    """A page is lost where the collector died before its flush: three times at most, each time one or two pages."""
    found = of(story, name)
    for target in story.targets:
        numbers = next(
            sorted(map(round, values.values()))
            for labels, values in found.items()
            if {("instance", target.address), ("__name__", "page_number")} <= set(labels)
        )
        gaps = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
        assert len(gaps) <= 3, gaps
        assert all(b - a <= 4 for a, b in gaps), gaps


@pytest.mark.parametrize("name", BOTH)
def test_what_ended_vanishes_at_once(story: Story, name: str) -> None:
    left, right, mortal = (target.address for target in story.targets)
    seen = story.seen[name]
    assert seen['up{job="app"} == 1'] == {left, right}
    assert seen['up{job="app"} == 0'] == {mortal}
    assert seen["page_number"] == {left, right}
    assert seen["extra"] == {left}


def test_the_shard_tells_how_its_remotes_stand(story: Story) -> None:
    with sqlite3.connect(story.directory / "burnline.db") as connection:
        ((detail,),) = connection.execute("select detail from collector_shard").fetchall()
    remotes = yaml.safe_load(detail)["remote_write"]
    assert remotes.keys() == story.engines.keys()
    assert all({"lag_seconds", "pending_samples", "last_error"} <= one.keys() for one in remotes.values())
