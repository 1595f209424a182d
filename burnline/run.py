"""Each part, wired to its settings; one function a part."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from burnline.process import prepare, run_until_signal, serve_metrics
from burnline.settings import Settings
from core.clock import SystemClock
from storage import migrate
from storage.database import Database

if TYPE_CHECKING:
    from collector.settings import ScrapeJob


def _open(settings: Settings) -> Database:
    database = Database(settings.database_url)
    migrate.require_current(database)
    return database


def collector(settings: Settings) -> None:
    """Scrape, read, receive and count until told to stop."""
    from burnline.check import require_loopback  # noqa: PLC0415 - each part pays only for its own imports
    from collector.metrics import CollectorMetrics, OtlpMetrics, PrometheusMetrics, PushMetrics  # noqa: PLC0415
    from collector.otlp.server import OtlpReceiver  # noqa: PLC0415
    from collector.promql.service import PrometheusReaders  # noqa: PLC0415
    from collector.push.otlp.route import metrics_route  # noqa: PLC0415
    from collector.push.server import PushReceiver  # noqa: PLC0415
    from collector.shard import CollectorShard  # noqa: PLC0415

    prepare("collector")
    require_loopback("collector.otlp.host", settings.collector.otlp.host)
    require_loopback("collector.remote_write_receiver.host", settings.collector.remote_write_receiver.host)
    metrics, clock, database = CollectorMetrics(), SystemClock(), _open(settings)
    serve_metrics(metrics.registry, settings.metrics_ports.collector)
    watched = settings.collector.model_copy(update={"scrape": (*settings.collector.scrape, *_own_job(settings))})
    parts = [CollectorShard(database, settings.storage.directory, watched, clock, metrics).run]
    parts.append(PrometheusReaders(database, watched, clock, PrometheusMetrics(metrics.registry)).run)
    pushed = PushReceiver(database, settings.storage.directory, watched, clock, PushMetrics(metrics.registry))
    parts.append(pushed.run)
    points = metrics_route(database, settings.storage.directory, watched, clock, metrics.registry)
    if settings.collector.otlp.enabled:
        otlp_metrics = OtlpMetrics(metrics.registry)
        parts.append(OtlpReceiver(database, watched, settings.text_key_file, clock, otlp_metrics, points).run)
    _collect_garbage_rarely()
    run_until_signal(lambda stop: _together(stop, parts))


def _collect_garbage_rarely() -> None:
    """Requests and pages make many objects and hardly a cycle: with the interpreter's thresholds an eighth of the
    collector's time went into looking for them, most of it through modules that never end."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _together(stop: asyncio.Event, parts: Sequence[Callable[[asyncio.Event], Awaitable[None]]]) -> None:
    """Run parts under one event: the end of one, also by an error, ends them all in order."""

    async def run(part: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        try:
            await part(stop)
        finally:
            stop.set()

    ended = await asyncio.gather(*map(run, parts), return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error


def _own_job(settings: Settings) -> tuple[ScrapeJob, ...]:
    """Burnline watches its own parts; they are no part of the fleet, so no page depends on them."""
    from collector.settings import ScrapeJob, StaticTargets  # noqa: PLC0415
    from storage.fleet import OWN_JOB  # noqa: PLC0415

    ports = settings.metrics_ports
    addresses = tuple(
        f"127.0.0.1:{port}"
        for port in (ports.collector, ports.engine, ports.alerter, ports.evaluator if settings.evaluator.enabled else 0)
        if port
    )
    # Shards on several hosts have the same loopback addresses: their parameter makes them targets of their own.
    member = settings.collector.member
    labels = {} if member is None else {"__param_shard": member.name, "shard": member.name}
    return (ScrapeJob(name=OWN_JOB, static=(StaticTargets(targets=addresses, labels=labels),)),) if addresses else ()


def engine(settings: Settings) -> None:
    """Evaluate until told to stop."""
    from slo_engine.metrics import EngineMetrics  # noqa: PLC0415
    from slo_engine.service import EngineService  # noqa: PLC0415

    prepare("engine")
    metrics = EngineMetrics()
    serve_metrics(metrics.registry, settings.metrics_ports.engine)
    watched = settings.engine.model_copy(update={"runbook_url": settings.runbook_url})
    service = EngineService(_open(settings), watched, settings.dashboard.external_url, SystemClock(), metrics)
    run_until_signal(service.run)


def evaluator(settings: Settings) -> None:
    """Score drawn answers until told to stop."""
    from core.texts import TextCipher  # noqa: PLC0415
    from safety_eval.metrics import EvaluatorMetrics  # noqa: PLC0415
    from safety_eval.service import EvaluatorService  # noqa: PLC0415
    from safety_eval.worker import Tools  # noqa: PLC0415

    prepare("evaluator")
    metrics = EvaluatorMetrics()
    serve_metrics(metrics.registry, settings.metrics_ports.evaluator)
    tools = Tools(_open(settings), TextCipher.from_file(settings.text_key_file), SystemClock(), metrics)
    run_until_signal(EvaluatorService(tools, settings.evaluator, settings.collector.group_cap).run)


def alerter(settings: Settings) -> None:
    """Route and deliver until told to stop."""
    from alerting.service import Alerter  # noqa: PLC0415

    prepare("alerter")
    service = Alerter(_open(settings), settings.alerting, SystemClock(), settings.dashboard.external_url)
    serve_metrics(service.metrics.registry, settings.metrics_ports.alerter)
    run_until_signal(service.run)


def api(settings: Settings) -> None:
    """Answer questions until told to stop."""
    import uvicorn  # noqa: PLC0415

    from burnline.api.app import create_app  # noqa: PLC0415
    from burnline.check import require_token  # noqa: PLC0415

    prepare("api")
    require_token(settings)
    config = uvicorn.Config(
        create_app(_open(settings), settings.api),
        host=settings.api.host,
        port=settings.api.port,
        proxy_headers=False,  # X-Forwarded-For would let anybody here choose the address that limits count
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)

    async def serve(stop: asyncio.Event) -> None:
        task = asyncio.create_task(server.serve())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        waiting.cancel()
        await task

    run_until_signal(serve)


def dashboard(settings: Settings) -> None:
    """Become the dashboard's server."""
    from burnline.check import require_loopback  # noqa: PLC0415
    from dashboard.launch import command  # noqa: PLC0415

    prepare("dashboard")
    if not settings.dashboard.login.enabled:
        require_loopback("dashboard.host", settings.dashboard.host)
    launch = command(settings.database_url, settings.dashboard)
    os.execvpe(launch.argv[0], launch.argv, {**os.environ, **launch.env})  # noqa: S606 - the command is our own


def part_command(part: str, config: Path | None) -> list[str]:
    """The command line of a part as a child process."""
    return [sys.executable, "-m", "burnline", part, *(["--config", str(config)] if config else [])]
