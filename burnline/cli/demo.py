"""`burnline demo-fleet`: a simulated fleet with real HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    app.command("demo-fleet")(demo_fleet)


def demo_fleet(
    scenario: Annotated[
        str,
        typer.Option(help="What happens; an unknown name lists them all"),
    ] = "canary-regression",
    seed: Annotated[int, typer.Option(help="The same seed gives the same load")] = 1,
    speed: Annotated[float, typer.Option(help="Simulated seconds in a second")] = 1.0,
    directory: Annotated[
        Path, typer.Option(help="Where targets.json, the journal and what the receiver got are written")
    ] = Path("var/demo"),
    base_port: Annotated[int, typer.Option(help="First of the ports in a row; 0 takes free ones")] = 0,
    rate: Annotated[float, typer.Option(help="Requests a simulated second")] = 20.0,
    otlp: Annotated[str, typer.Option(help="Where clients send traces, as http://127.0.0.1:4318; empty: nowhere")] = "",
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds [default: never]")] = None,
) -> None:
    """Run simulated vLLM replicas, a DCGM exporter, a load and a webhook receiver until Ctrl-C.

    Example: burnline demo-fleet --scenario engine-hang --directory /tmp/fleet
    """
    from burnline.demo.fleet import run
    from burnline.demo.settings import DemoSettings

    settings = DemoSettings(
        scenario=scenario,
        seed=seed,
        speed=speed,
        directory=directory,
        base_port=base_port,
        request_rate=rate,
        otlp=otlp,
        duration=duration,
    )
    raise typer.Exit(run(settings))
