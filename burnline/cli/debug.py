"""`burnline debug` and `burnline engines`: what Burnline sees on a metrics page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table
from core.errors import ConfigError, Place

app = typer.Typer(help="Look at what Burnline reads.", rich_markup_mode=None, no_args_is_help=True)
engines = typer.Typer(help="Serving engines that Burnline knows.", rich_markup_mode=None, no_args_is_help=True)

PageArgument = Annotated[Path, typer.Argument(help="A saved metrics page; - reads standard input")]
TypeOption = Annotated[
    str | None, typer.Option("--content-type", help="As the target sent it; without it the page's end tells the format")
]


def _read(page: Path) -> bytes:
    import sys

    if str(page) == "-":
        return sys.stdin.buffer.read()
    try:
        return page.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", Place(str(page), 0)) from None


@app.command()
def parse(page: PageArgument, content_type: TypeOption = None, json: JsonOption = False) -> None:
    """Parse a metrics page as the collector does. Exit code 1 if the page is rejected.

    Example: curl -s localhost:8000/metrics | burnline debug parse - --json
    """
    from collector.exposition.debug import describe

    described = describe(_read(page), content_type)
    if json:
        print_json(described)
    else:
        for series in described["series"]:
            labels = ", ".join(f'{k}="{v}"' for k, v in series["labels"].items())
            typer.echo(f"{series['name']}{{{labels}}} {series['value']}")
        for error in described["errors"]:
            typer.echo(f"{page}:{error['line']}: {error['message']}", err=True)
    raise typer.Exit(1 if described["errors"] else 0)


@app.command()
def targets(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the targets in discovery, how they do, and what is odd about their pages."""
    from burnline import views
    from storage import fleet

    found = fleet.targets(open_database(settings_of(config)))
    if json:
        print_json([views.target(one) for one in found])
        return
    states = {None: "never scraped", True: "up", False: "down"}
    rows = []
    for one in found:
        error = [f"{one.error_reason}: {one.error}"] if one.up is False else []
        first, *more = [*error, *one.conditions] or ["-"]
        rows.append([states[one.up], one.job, one.engine or "-", one.url, first])
        rows += [["", "", "", "", condition] for condition in more]
    table(rows, ["STATE", "JOB", "ENGINE", "TARGET", "WHAT IS WRONG"])


@engines.command()
def identify(page: PageArgument, content_type: TypeOption = None, json: JsonOption = False) -> None:
    """Say which engine wrote a page and which signals can be measured on it.

    Example: burnline engines identify page.txt --json
    """
    from collector.exposition import PageReader
    from collector.profiles import identify as identify_page

    reading = PageReader().read(_read(page), content_type)
    found = identify_page((s.name for s in reading.series), dict(reading.types))
    if json:
        print_json(found._asdict())
        return
    typer.echo(f"engine: {found.engine or 'unknown'} (confidence {found.confidence:g})")
    typer.echo(f"version: {found.version or f'not known. {found.version_reason}'}")
    table([[signal, ", ".join(raw)] for signal, raw in sorted(found.signals.items())], ["SIGNAL", "FROM"])
    typer.echo(f"{len(found.unmapped)} metrics are not mapped to signals; raw selectors can still count them")


@engines.command("list")
def list_engines(json: JsonOption = False) -> None:
    """List the engines with a profile, the signals each carries, and what it cannot tell."""
    from collector.profiles import profiles

    if json:
        print_json(
            [
                {
                    "engine": p.engine,
                    "layer": p.layer,
                    "versions": p.versions.covered,
                    "scrape": p.scrape.model_dump(exclude_defaults=True) | {"path": p.scrape.path},
                    "dimensions": p.dimensions,
                    "join": list(p.join),
                    "signals": sorted(p.signals),
                    "cannot": p.cannot,
                }
                for p in profiles()
            ]
        )
        return
    for profile in profiles():
        page = profile.scrape.path
        typer.echo(f"{profile.engine} ({profile.layer}, {page}): {', '.join(sorted(profile.signals))}")
        port = f"; port {profile.scrape.port} by default" if profile.scrape.port else ""
        typer.echo(f"  versions: {profile.versions.covered}{port}")
        for signal, reason in profile.cannot.items():
            typer.echo(f"  cannot tell {signal}: {reason}")
