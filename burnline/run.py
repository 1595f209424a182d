"""Each part, wired to its settings; one function a part."""

from __future__ import annotations

import asyncio
import os
import sys
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
    """Scrape and count until told to stop."""
    from collector.metrics import CollectorMetrics  # noqa: PLC0415 - each part pays only for its own imports
    from collector.shard import CollectorShard  # noqa: PLC0415

    prepare("collector")
    metrics = CollectorMetrics()
    serve_metrics(metrics.registry, settings.metrics_ports.collector)
    watched = settings.collector.model_copy(update={"scrape": (*settings.collector.scrape, *_own_job(settings))})
    shard = CollectorShard(_open(settings), settings.storage.directory, watched, SystemClock(), metrics)
    run_until_signal(shard.run)


def _own_job(settings: Settings) -> tuple[ScrapeJob, ...]:
    """Burnline watches its own parts; they are no part of the fleet, so no page depends on them."""
    from collector.settings import ScrapeJob, StaticTargets  # noqa: PLC0415
    from storage.fleet import OWN_JOB  # noqa: PLC0415

    ports = settings.metrics_ports
    addresses = tuple(
        f"127.0.0.1:{port}" for port in (ports.collector, ports.engine, ports.alerter, ports.evaluator) if port
    )
    return (ScrapeJob(name=OWN_JOB, static=(StaticTargets(targets=addresses),)),) if addresses else ()


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
    from burnline.check import require_loopback  # noqa: PLC0415

    prepare("api")
    require_loopback("api.host", settings.api.host)
    config = uvicorn.Config(
        create_app(_open(settings)),
        host=settings.api.host,
        port=settings.api.port,
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
    require_loopback("dashboard.host", settings.dashboard.host)
    launch = command(settings.database_url, settings.dashboard)
    os.execvpe(launch.argv[0], launch.argv, {**os.environ, **launch.env})  # noqa: S606 - the command is our own


def part_command(part: str, config: Path | None) -> list[str]:
    """The command line of a part as a child process."""
    return [sys.executable, "-m", "burnline", part, *(["--config", str(config)] if config else [])]
