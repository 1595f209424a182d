"""Prometheus and VictoriaMetrics as the source: the ledger's totals are what the targets served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import aiohttp
import pytest

from collector.promql.api import PrometheusApi, Stream
from core.clock import ManualClock
from core.labels import render
from storage import fleet
from storage.database import Database, sqlite_url
from tests.collector.promql.world import Engine, Reader, Samples, database, every, replayed, rows_of, server, total
from tests.e2e.prometheus_servers import SERVERS, Server
from tests.e2e.running import Process, burnline, ends_of, environment, until

pytestmark = pytest.mark.timeout(180)

EACH = [pytest.param(name, marks=pytest.mark.server(name)) for name in SERVERS]
HOURS = 3


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with SERVERS[request.param](tmp_path / "server") as found:
        yield found


def _history(begin: float) -> tuple[Samples, int]:
    """Three hours of three engines, and the requests that scrapes saw: one begins anew, one is born and dies, one is
    silent for ten minutes, and each fails some scrapes. Every page before an end was scraped."""
    random, samples, seen = Random(7), Samples(), 0
    engines = [Engine(f"h{n}:8000", begin - 9000, {"region": "eu"}) for n in range(3)]
    engines[1].born = begin + 3600
    for tick, moment in enumerate(every(15, begin + 1.25, begin + HOURS * 3600)):
        for n, engine in enumerate(engines):
            at = moment + n
            if n == 1 and not 3605 < at - begin < 7200:
                continue
            if n == 0 and tick == 300:
                engine.restart(at - 3)
            work, silent = random.randint(0, 40), n == 2 and 1000 < at - begin < 1600
            engine.serve(work, slow=min(work, 3))
            seen += work if tick else 0  # the first page is a baseline
            failed = tick % 50 == 7 + n
            if not silent:
                samples.scrape(engine.target, at, None if failed else engine.page())
    return samples, seen


@pytest.mark.server("promtool")
@pytest.mark.parametrize("store", EACH, indirect=True)
def test_what_a_server_holds_is_counted_as_a_replay_of_the_same_file_is(store: Server, tmp_path: Path) -> None:
    begin = time.time() // 3600 * 3600 - (HOURS + 1) * 3600
    samples, seen = _history(begin)
    if store.puts_before:
        store.put(samples)
        store.start()
    else:
        store.start()
        store.put(samples)
    settings = server(url=store.url, backfill=(HOURS + 2) * 3600.0, max_points=5000)
    now = begin + 3600.0
    ledger, clock = database(tmp_path, "read"), ManualClock(now)
    while now < begin + (HOURS + 1) * 3600:
        _round(ledger, clock, settings)  # each time another process
        now += 1234.0
        clock.set(now)
    _round(ledger, clock, settings)
    counted = {key: n for key, n in rows_of(ledger).items() if key[2] != "target_time"}
    file = replayed(tmp_path, samples.openmetrics(), now)
    assert counted == {key: n for key, n in file.items() if key[2] != "target_time"}
    assert total(rows_of(ledger), "requests") == total(rows_of(ledger), "e2e") == seen


def _round(ledger: Database, clock: ManualClock, settings: Any) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            outcomes: list[str] = []
            reader = Reader(ledger, PrometheusApi(session, settings, True, outcomes.append), clock, settings)
            await reader.source.round()
            assert set(outcomes) == {"ok"}

    asyncio.run(run())


@pytest.mark.parametrize("store", [EACH[0]], indirect=True)
@pytest.mark.server("promtool")
def test_a_server_with_a_limit_on_samples_is_read_in_smaller_pieces(store: Server, tmp_path: Path) -> None:
    begin = time.time() // 3600 * 3600 - 7200
    samples, engine = Samples(), Engine("a:1", begin - 9000)
    for moment in every(5, begin, begin + 3600):
        engine.serve(3)
        samples.scrape(engine.target, moment, engine.page())
    store.put(samples)
    store.flags.append("--query.max-samples=300")
    store.start()
    settings = server(url=store.url, backfill=3 * 3600.0)
    ledger, outcomes = database(tmp_path, "read"), list[str]()

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            api = PrometheusApi(session, settings, True, outcomes.append)
            await Reader(ledger, api, ManualClock(begin + 3700.0), settings).source.round()

    asyncio.run(run())
    assert set(outcomes) == {"ok", "too_much"}
    assert total(rows_of(ledger), "requests") == 3 * 720


@pytest.mark.parametrize("store", EACH, indirect=True)
@pytest.mark.server("promtool")
def test_a_span_is_the_same_to_every_server(store: Server) -> None:
    begin, samples = int(time.time()) // 3600 * 3600 - 3600, Samples()
    for second in range(120):
        samples.put("up", {"job": "vllm", "instance": "a:1"}, begin + second, 1.0)
    if store.puts_before:
        store.put(samples)
    store.start()
    if not store.puts_before:
        store.put(samples)

    async def ask() -> list[Stream]:
        async with aiohttp.ClientSession() as session:
            api = PrometheusApi(session, server(url=store.url), True, lambda _: None)
            return await api.raw('{__name__=~"up|down"}', begin + 10, begin + 20)

    (stream,) = asyncio.run(ask())
    assert stream.times == [(begin + second) * 1000 for second in range(11, 21)]


# A target that is really scraped.


class Served:
    """A target over HTTP: what it did, and how often it was asked for it."""

    def __init__(self) -> None:
        self.engine = Engine("", time.time(), {})
        self.asked = 0
        served = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked += 1
                body = "".join(
                    f"{name}{render(tuple(sorted(own)))} {value!r}\n"
                    for (name, own), value in served.engine.page().items()
                ).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.address = f"127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def seen(self) -> None:
        """Wait until what was done is scraped, in a pause: two whole scrapes after it."""
        before = self.asked
        until(30, "the target was scraped", lambda: self.asked >= before + 2)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


CONFIG = """\
storage: {{directory: {folder}/var}}
metrics_ports: {{collector: 0, engine: 0, alerter: 0, evaluator: 0}}
collector:
  otlp: {{enabled: false}}
  flush_interval: 1s
  prometheus:
    - {{name: main, url: "{url}", match: ['{{job="vllm"}}'], interval: 1s, delay: 2s, backfill: 1h}}
"""


@pytest.mark.parametrize("store", EACH, indirect=True)
def test_a_live_target_is_counted_exactly_through_a_killed_collector_and_an_outage_of_the_server(
    store: Server, tmp_path: Path
) -> None:
    served, config, log = Served(), tmp_path / "burnline.yaml", tmp_path / "collector.log"
    config.write_text(CONFIG.format(folder=tmp_path, url=store.url))
    env = environment()
    assert burnline("db", "upgrade", "--config", config, env=env).returncode == 0
    store.watch([{"targets": [served.address], "labels": {"version": "v1"}}])
    store.start()
    collector = Process(log, ("collector", "--config", config), env)
    try:
        ledger = Database(sqlite_url(tmp_path / "var" / "burnline.db"))
        served.seen()
        served.engine.serve(100, slow=10)
        served.seen()
        until(30, "it is counted", lambda: _requests(ledger) == 100, log)
        collector.kill()
        served.engine.serve(20)
        served.seen()
        served.engine.restart(time.time())  # nobody reads it, Prometheus does
        served.engine.serve(3)
        served.seen()
        collector = Process(log, ("collector", "--config", config), env)
        until(30, "what was missed is counted", lambda: _requests(ledger) == 123, log)
        store.stop()
        served.engine.serve(4)
        until(30, "the log says so", lambda: "not read: connect" in log.read_text(), log)
        store.start()
        served.seen()
        until(30, "the outage is counted", lambda: _requests(ledger) == 127, log)
        store.watch([])
        until(30, "its end is noticed", lambda: not fleet.targets(ledger), log)
        assert _requests(ledger) == 127
        assert total(rows_of(ledger), "e2e") == 127
        assert collector.stop() == 0, ends_of([log])
        ledger.dispose()
    finally:
        collector.end()
        served.close()


def _requests(ledger: Database) -> int:
    return total(rows_of(ledger), "requests", group='version="v1"')
