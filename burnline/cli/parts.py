"""`burnline up` and one command for each part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, settings_of


def register(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    for command in (up, collector, engine, evaluator, alerter, dashboard, api):
        app.command(command.__name__)(command)


def up(
    config: ConfigOption = None,
    demo: Annotated[bool, typer.Option("--demo", help="Watch a demo fleet instead of your own")] = False,
    scenario: Annotated[str, typer.Option(help="What happens to the demo fleet")] = "canary-regression",
    speed: Annotated[float, typer.Option(help="Simulated seconds in a second of the demo fleet")] = 1.0,
    days: Annotated[int, typer.Option(help="Days of history that the demo fills once; 0 for none")] = 30,
    directory: Annotated[Path, typer.Option(help="Where the demo keeps everything")] = Path("var/demo"),
) -> None:
    """Run every part until Ctrl-C: collector, engine, evaluator, alerter, API and dashboard.

    Examples: burnline up --demo;  burnline up --config burnline.yaml
    """
    from burnline.up import run

    raise typer.Exit(run(config, (scenario, speed, days, directory) if demo else None))


def collector(config: ConfigOption = None) -> None:
    """Run the collector alone: scrape targets and count."""
    from burnline import run

    run.collector(settings_of(config))


def engine(config: ConfigOption = None) -> None:
    """Run the SLO engine alone: evaluate and decide."""
    from burnline import run

    run.engine(settings_of(config))


def evaluator(config: ConfigOption = None) -> None:
    """Run the evaluator alone: it scores drawn answers."""
    from burnline import run

    run.evaluator(settings_of(config))


def alerter(config: ConfigOption = None) -> None:
    """Run the alerter alone: route and deliver."""
    from burnline import run

    run.alerter(settings_of(config))


def dashboard(config: ConfigOption = None) -> None:
    """Run the dashboard alone."""
    from burnline import run

    run.dashboard(settings_of(config))


def api(config: ConfigOption = None) -> None:
    """Run the HTTP API alone."""
    from burnline import run

    run.api(settings_of(config))
