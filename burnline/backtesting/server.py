"""Raw samples of a Prometheus-compatible server, through the reader of the live source, into a temporary ledger.

The reader's clock goes along with the samples, six hours at a time: so everything is counted by the minute, however
old it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import aiohttp
from prometheus_client import CollectorRegistry

from burnline.backtesting.filling import STEP, Filling, temporary
from burnline.backtesting.history import History
from burnline.backtesting.progress import Stage, Told
from collector.metrics import PrometheusMetrics
from collector.promql import wanted
from collector.promql.api import TOO_MUCH, PrometheusApi
from collector.promql.claims import Claims
from collector.promql.source import PrometheusSource
from collector.scrape import ssl_context
from collector.settings import CollectorSettings, PrometheusServer
from core.buckets import MINUTES, start_of
from core.errors import ConfigError, ScrapeError
from slo_engine.specs.model import Slo

_SHORTER = (TOO_MUCH, "timeout")
"""Outcomes after which the reader asks for a shorter span."""
LATE = 120.0
"""Seconds that the reader is behind the samples, so that those at an edge are answered."""


@contextmanager
def of_server(
    server: PrometheusServer,
    slos: Sequence[Slo],
    start: float,
    end: float,
    lead: float,
    dimensions: Sequence[str],
    stage: Stage,
) -> Iterator[History]:
    """What a server has from `lead` seconds before `start` to `end` (Unix seconds), counted."""
    begin, last = start_of(start - lead, MINUTES.width), start_of(end, MINUTES.width)
    if start_of(start, MINUTES.width) >= last:
        raise ConfigError("--from to --to holds no whole minute")
    with temporary(slos, begin) as filling:
        asyncio.run(_fill(filling, server, tuple(dimensions), begin, last, stage("reading")))
        yield History(filling.database, "prometheus", server.url, start_of(start, MINUTES.width), last)


async def _fill(
    filling: Filling, server: PrometheusServer, dimensions: tuple[str, ...], begin: int, end: int, told: Told
) -> None:
    outcomes: list[str] = []
    first = min(begin + STEP, end)
    own = server.model_copy(update={"delay": LATE, "backfill": float(first - begin)})
    settings = CollectorSettings(dimensions=dimensions, prometheus=(own,))
    tls = ssl_context(server.url.partition(":")[0], server.tls)
    async with aiohttp.ClientSession(trust_env=False) as session:
        api = PrometheusApi(session, own, tls, outcomes.append)
        await _targets(api, own, end)
        metrics = PrometheusMetrics(CollectorRegistry())
        filling.clock.set(first + LATE)
        source = PrometheusSource(filling.database, settings, own, api, Claims(), filling.clock, metrics)
        through = first
        while True:
            filling.clock.set(through + LATE)
            outcomes.clear()
            await source.round()
            _require_answer(own, outcomes)
            await asyncio.to_thread(filling.roll_up)
            told(through - begin, end - begin)
            if through >= end:
                return
            through = min(through + STEP, end)


async def _targets(api: PrometheusApi, server: PrometheusServer, time: int) -> None:
    """Ask once what is asked later, so that a wrong address or password is told at once."""
    try:
        for selector in wanted.up(server.match):
            await api.present(selector, time)
    except ScrapeError as error:
        raise ConfigError(_not_read(server, f"{error.reason}: {error}")) from None


def _require_answer(server: PrometheusServer, outcomes: Sequence[str]) -> None:
    """A span that was not answered would look like a span in which nothing was known."""
    failed = [one for one in outcomes if one not in ("ok", *_SHORTER)] or [one for one in outcomes[-1:] if one != "ok"]
    if failed:
        raise ConfigError(_not_read(server, failed[0]))


def _not_read(server: PrometheusServer, why: str) -> str:
    return (
        f"{server.url} was not read: {why}. Check the address (what stands before /api/v1/query), and give "
        "--bearer-token-file, or the name of a server in collector.prometheus that has its password there"
    )
