"""`burnline up`: migrate, start every part, say where to look, and stop together."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import typer

from burnline.check import check
from burnline.process import prepare, run_until_signal
from burnline.run import part_command
from burnline.settings import Settings, load
from burnline.supervisor import USAGE, Child, Supervisor
from storage import migrate
from storage.database import Database

PARTS = {"collector": 0.0, "api": 0.0, "engine": 1.5, "alerter": 2.0, "dashboard": 3.0}
"""Every part, and how long it waits at the start: scraping and answering come first."""

DemoChoice = tuple[str, float, int, Path]
"""(scenario, speed, days of history, folder)."""


def run(config: Path | None, demo: DemoChoice | None) -> int:
    """Run until a signal; returns the exit code."""
    prepare("up")
    extra: list[Child] = []
    if demo is not None:
        config, extra = _demo(demo)
    settings = load(config)
    for note in check(settings):
        typer.echo(note)
    typer.echo(f"database: {settings.database_url}")
    migrate.upgrade(Database(settings.database_url))
    if demo is not None:
        _fill(settings, demo)
    _say_where(settings, demo)
    children = [*extra, *(Child(part, part_command(part, config), after) for part, after in PARTS.items())]
    supervisor = Supervisor(children)

    async def supervise(stop: asyncio.Event) -> None:
        await supervisor.run(stop)

    run_until_signal(supervise)
    typer.echo("stopped")
    return USAGE if supervisor.misconfigured else 0


def _demo(choice: DemoChoice) -> tuple[Path, list[Child]]:
    from burnline.demo.up import demo_settings, write_config  # noqa: PLC0415 - only the demo pays for its imports

    scenario, speed, _, directory = choice
    demo = demo_settings(directory, scenario, 1, speed)
    config = write_config(demo, directory / "storage")
    argv = [sys.executable, "-m", "burnline", "demo-fleet", "--scenario", scenario, "--speed", str(speed)]
    argv += ["--directory", str(directory), "--base-port", str(demo.base_port)]
    return config, [Child("demo-fleet", argv)]


def _fill(settings: Settings, choice: DemoChoice) -> None:
    from burnline.demo.up import demo_settings, fill_history  # noqa: PLC0415

    scenario, speed, days, directory = choice
    if days and (parsed := fill_history(settings, demo_settings(directory, scenario, 1, speed), days)):
        typer.echo(f"filled {days} days of history from {parsed} pages")


def _say_where(settings: Settings, demo: DemoChoice | None) -> None:
    typer.echo(f"dashboard:  {settings.dashboard.external_url}")
    typer.echo(f"API:        http://{settings.api.host}:{settings.api.port}/docs (ready: /readyz)")
    if demo is not None:
        for receiver in settings.alerting.receivers[:1]:
            if receiver.webhook is not None:
                typer.echo(f"the demo's pager: {demo[3] / 'fleet.json'} names its URL; what it got is on its page")
    typer.echo("Ctrl-C stops everything")
