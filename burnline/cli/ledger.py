"""`burnline ledger`: counts, and histories replayed into them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnline.cli.common import JsonOption, print_json
from burnline.cli.slo import print_status

app = typer.Typer(help="The ledger of counts.", rich_markup_mode=None, no_args_is_help=True)


@app.command()
def replay(
    openmetrics: Annotated[Path, typer.Option("--openmetrics", help="OpenMetrics text with timestamps")],
    slo: Annotated[list[Path], typer.Option("--slo", help="SLO file or folder; may be given again")],
    at: Annotated[
        str | None,
        typer.Option("--at", help="Evaluate at this time (RFC 3339 or Unix seconds) [default: the last sample]"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Feed a history through the collector's own path, on a clock of its own, and print `slo status`.

    A target is its `job` and `instance`. The file is what `promtool tsdb create-blocks-from openmetrics` takes.

    Example: burnline ledger replay --openmetrics day.om --slo slos/ --at 2026-11-23T12:00:00Z --json
    """
    from burnline.replay import replay as run
    from burnline.times import parse_time

    rows = run(openmetrics, slo, None if at is None else parse_time(at))
    if json:
        print_json(rows)
    else:
        print_status(rows)
