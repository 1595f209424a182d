"""`burnline up`: migrate, start every part, say where to look, and stop together."""

from __future__ import annotations

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

PARTS = {"collector": 0.0, "api": 0.0, "engine": 1.5, "alerter": 2.0, "dashboard": 3.0, "evaluator": 4.0}
"""Every part, and how long it waits at the start: scraping and answering come first."""

DemoChoice = tuple[str, float, int, Path]
"""(scenario, speed, days of history, folder)."""


def run(config: Path | None, choice: DemoChoice | None) -> int:
    """Run until a signal; returns the exit code."""
    prepare("up")
    demo = None if choice is None else _Demo(choice)
    settings = load(demo.config if demo is not None else config)
    for note in check(settings):
        typer.echo(note)
    typer.echo(f"database: {settings.database_url}")
    migrate.upgrade(Database(settings.database_url))
    if demo is not None:
        demo.fill(settings)
    _say_where(settings, demo)
    used = demo.config if demo is not None else config
    parts = {part: after for part, after in PARTS.items() if part != "evaluator" or settings.evaluator.enabled}
    children = [Child(part, part_command(part, used), after) for part, after in parts.items()]
    supervisor = Supervisor([*(demo.children(settings) if demo is not None else []), *children])
    run_until_signal(supervisor.run)
    typer.echo("stopped")
    return USAGE if supervisor.misconfigured else 0


class _Demo:
    """The demo fleet of this run; its ports are chosen once."""

    def __init__(self, choice: DemoChoice) -> None:
        from burnline.demo.up import demo_settings, write_config  # noqa: PLC0415 - only the demo pays for its imports

        scenario, speed, self._days, directory = choice
        self.settings = demo_settings(directory, scenario, 1, speed)
        self.config = write_config(self.settings, directory / "storage")

    def fill(self, settings: Settings) -> None:
        """Fill the history, once a folder."""
        from burnline.demo.up import fill_history  # noqa: PLC0415

        if self._days and (parsed := fill_history(settings, self.settings, self._days)):
            typer.echo(f"filled {self._days} days of history from {parsed} pages")

    def children(self, settings: Settings) -> list[Child]:
        """The fleet as a child process; its clients tell their calls to this collector."""
        demo, otlp = self.settings, settings.collector.otlp
        argv = [sys.executable, "-m", "burnline", "demo-fleet", "--scenario", demo.scenario, "--speed", str(demo.speed)]
        argv += ["--directory", str(demo.directory), "--base-port", str(demo.base_port)]
        argv += ["--otlp", f"http://{otlp.host}:{otlp.port}"] if otlp.enabled else []
        return [Child("demo-fleet", argv)]

    @property
    def pager(self) -> str:
        """Where the receiver shows what it got."""
        from burnline.demo.settings import topology  # noqa: PLC0415

        return f"http://{topology(self.settings).receiver}/"


def _say_where(settings: Settings, demo: _Demo | None) -> None:
    typer.echo(f"dashboard:  {settings.dashboard.external_url}")
    typer.echo(f"API:        http://{settings.api.host}:{settings.api.port}/docs (ready: /readyz)")
    if demo is not None:
        typer.echo(f"demo pager: {demo.pager}")
    typer.echo("Ctrl-C stops everything; targets are scraped as soon as they answer")
