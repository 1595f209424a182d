"""Free PromQL against Prometheus and VictoriaMetrics: what is counted is what the same query says to anybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from math import floor
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import httpx
import pytest

from collector.promql.api import PrometheusApi
from core.clock import ManualClock
from storage import fleet, plan
from storage.database import Database, sqlite_url
from storage.plan import QueryMeasure
from tests.collector.promql.world import Reader, Samples, database, every, rows_of, server, total
from tests.e2e.prometheus_servers import SERVERS, Server
from tests.e2e.running import Process, burnline, ends_of, environment, until

pytestmark = pytest.mark.timeout(180)

EACH = [pytest.param(name, marks=pytest.mark.server(name)) for name in SERVERS]
MINUTES = 120
RATIO = QueryMeasure(
    part='sum by (model) (increase(http_requests_total{code=~"5.."}[1m]))',
    total="sum by (model) (increase(http_requests_total[1m]))",
    by=("model",),
)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with SERVERS[request.param](tmp_path / "server") as found:
        yield found


def _history(begin: int) -> tuple[Samples, dict[str, int]]:
    """Two hours of two models, scraped every 15 s; with what each served after its first scrape."""
    random, samples = Random(11), Samples()
    served = dict.fromkeys(("a", "b"), 0)
    counters = {(model, code): 0 for model in served for code in ("200", "503")}
    for tick, moment in enumerate(every(15, begin + 2, begin + MINUTES * 60)):
        for (model, code), value in counters.items():
            work = random.randint(0, 9 if code == "200" else 1)
            counters[model, code] = value + work
            served[model] += work if tick else 0
            labels = {"job": "web", "instance": "w:1", "model": model, "code": code}
            samples.put("http_requests_total", labels, moment, float(counters[model, code]))
    return samples, served


def _hold(store: Server, samples: Samples) -> None:
    if store.puts_before:
        store.put(samples)
    store.start()
    if not store.puts_before:
        store.put(samples)


def _said(store: Server, query: str, begin: int, end: int) -> dict[str, float]:
    """The sum over the minutes of what the query gives, by model, asked apart from Burnline."""
    form = {"query": query, "start": begin + 60, "end": end, "step": 60}
    answer = httpx.get(f"{store.url}/api/v1/query_range", params=form, trust_env=False).json()
    assert answer["status"] == "success"
    found = {one["metric"]["model"]: [float(value) for _, value in one["values"]] for one in answer["data"]["result"]}
    return {model: sum(values) for model, values in found.items()}


def _counted(ledger: Database, model: str, count: str) -> int:
    return total(rows_of(ledger), RATIO.name, f'count="{count}"', f'model="{model}"')


@pytest.mark.server("promtool")
@pytest.mark.parametrize("store", EACH, indirect=True)
def test_the_totals_are_those_of_the_same_query_through_many_restarts(store: Server, tmp_path: Path) -> None:
    begin = int(time.time()) // 3600 * 3600 - 3 * 3600
    samples, served = _history(begin)
    _hold(store, samples)
    settings = server(url=store.url, backfill=3600.0)
    now, end = begin + 1800.0, begin + MINUTES * 60
    ledger, clock = database(tmp_path, "read"), ManualClock(now)
    with ledger.write() as connection:
        plan.put(connection, [], now, [RATIO])
    while now < end + 40:
        now = min(now + 1234.0, end + 40.0)
        clock.set(now)
        _round(ledger, clock, settings)  # each time another process
    part, everything = _said(store, RATIO.part, begin, end), _said(store, RATIO.total, begin, end)
    for model, n in served.items():
        assert _counted(ledger, model, "total") in _near(everything[model])
        assert _counted(ledger, model, "part") in (*_near(part[model]), floor(part[model]) - 1)
        assert everything[model] == pytest.approx(n, rel=0.05)  # what increase() makes of what was served


def _near(sum_: float) -> tuple[int, int]:
    """The floor of a sum, whose floats may lie on either side of a whole number."""
    return floor(sum_ - 1e-6), floor(sum_ + 1e-6)


def _round(ledger: Database, clock: ManualClock, settings: Any) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            outcomes: list[str] = []
            reader = Reader(ledger, PrometheusApi(session, settings, True, outcomes.append), clock, settings)
            await reader.source.round()
            assert set(outcomes) == {"ok"}

    asyncio.run(run())


CONFIG = """\
storage: {{directory: {folder}/var}}
metrics_ports: {{collector: 0, engine: 0, alerter: 0, evaluator: 0}}
collector:
  otlp: {{enabled: false}}
  prometheus:
    - {{name: main, url: "{url}", match: ['{{job="web"}}'], interval: 1s, delay: 2s, backfill: 5h}}
"""


@pytest.mark.server("prometheus")
@pytest.mark.server("promtool")
@pytest.mark.parametrize("store", ["prometheus"], indirect=True)
def test_a_killed_collector_counts_nothing_twice_and_a_wrong_query_is_said(store: Server, tmp_path: Path) -> None:
    begin = int(time.time()) // 3600 * 3600 - 3 * 3600
    samples, _ = _history(begin)
    _hold(store, samples)
    config, log, env = tmp_path / "burnline.yaml", tmp_path / "collector.log", environment()
    config.write_text(CONFIG.format(folder=tmp_path, url=store.url))
    assert burnline("db", "upgrade", "--config", config, env=env).returncode == 0
    ledger = Database(sqlite_url(tmp_path / "var" / "burnline.db"))
    wrong = QueryMeasure(part="sum(", total=RATIO.total)
    with ledger.write() as connection:
        plan.put(connection, [], time.time(), [RATIO, wrong])
    everything = _said(store, RATIO.total, begin, begin + MINUTES * 60)
    collector = Process(log, ("collector", "--config", config), env)
    try:
        for again in (False, True):
            if again:
                collector.kill()
                collector = Process(log, ("collector", "--config", config), env)
            until(30, "it has counted", lambda: _counted(ledger, "b", "total"), log)
            since = time.time()
            until(30, "it goes on", partial(_heard, ledger, since), log)
            for model, sum_ in everything.items():
                assert _counted(ledger, model, "total") in _near(sum_)
        until(30, "the log says so", lambda: "not answered: bad_query" in log.read_text(), log)
        assert collector.stop() == 0, ends_of([log])
        ledger.dispose()
    finally:
        collector.end()


def _heard(ledger: Database, since: float) -> bool:
    with ledger.read() as connection:
        return any(one.heartbeat_at > since for one in fleet.shards(connection) if "/prometheus:" in one.name)
