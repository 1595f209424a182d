"""`burnline canary`: new versions beside the ones before them, and what is said of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

if TYPE_CHECKING:
    from storage.canaries import Canary

app = typer.Typer(help="Canaries and their verdicts.", rich_markup_mode=None, no_args_is_help=True)

_DAY = 86_400.0


@app.command("list")
def list_canaries(
    days: Annotated[float, typer.Option(help="Those that began in so many days")] = 7.0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List canaries, newest first."""
    from burnline import views
    from storage import canaries

    found = canaries.since(open_database(settings_of(config)), time.time() - days * _DAY)
    if json:
        print_json([views.canary(one) for one in found])
        return
    header = ["ID", "BASELINE", "STATE", "E-VALUE", "DELTA", "OVER", "REASON"]
    table([_row(one) for one in found], header)


@app.command()
def verdict(
    canary_id: Annotated[str, typer.Argument(help="The canary, as `burnline canary list` shows it")],
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 unless the verdict is pass")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say how a canary stands. Example: burnline canary verdict llama:v2:1767571200 --check && promote"""
    from core.errors import ConfigError
    from storage import canaries

    found = canaries.get(open_database(settings_of(config)), canary_id)
    if found is None:
        raise ConfigError(f"there is no canary {canary_id!r}: `burnline canary list` shows those that there are")
    if json:
        print_json(found.verdict)
    else:
        _print(found)
    if check and found.state != "pass":
        raise typer.Exit(1)


def _row(one: Canary) -> list[str]:
    said = one.verdict
    over = "-" if one.ended_at is None else "over"
    numbers = [_figure(said.get("e_value")), _share(said.get("delta"))]
    return [one.id, one.baseline, one.state, *numbers, over, str(said.get("reason", ""))]


def _print(one: Canary) -> None:
    said = one.verdict
    typer.echo(f"{one.state}: {said.get('reason', '')}")
    if (needs := said.get("needs")) is not None:
        typer.echo(f"about {needs['requests']} more requests of {one.version} would decide")
    header = ["SLO", "CRITERION", "BAD", "REQUESTS", "BASELINE BAD", "REQUESTS", "E-VALUE", "DELTA", "INTERVAL"]
    typer.echo("")
    table([_criterion(criterion) for criterion in said.get("criteria", [])], header)


def _criterion(row: dict[str, Any]) -> list[str]:
    bad, requests = row["bad"] or {}, row["requests"] or {}
    counts = [_figure(n) for arm in ("canary", "baseline") for n in (bad.get(arm), requests.get(arm))]
    ends = row["interval"]
    interval = "-" if ends is None else f"{_share(ends[0])} to {_share(ends[1])}"
    return [row["slo"], row["name"], *counts, _figure(row["e_value"]), _share(row["delta"]), interval]


def _figure(value: float | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2%}"
